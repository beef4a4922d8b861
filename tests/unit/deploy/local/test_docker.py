"""The container's command, and asking Docker."""

from pathlib import Path

import pytest

from deploy.local.docker import container_command, docker_answers, has_image
from deploy.versions import RABBITMQ_IMAGE


def test_the_container_listens_on_loopback_only() -> None:
    """Both ports are bound to 127.0.0.1, on the ports chosen."""
    command = container_command("rabbitmq:4", "c", amqp=1, management=2, password="p", volume=None)
    assert "127.0.0.1:1:5672" in command
    assert "127.0.0.1:2:15672" in command
    assert command[-1] == "rabbitmq:4"
    assert "--volume" not in command


def test_kept_data_lives_in_a_named_volume_under_a_fixed_hostname() -> None:
    """RabbitMQ's data belongs to its node's name, which is made of the hostname."""
    command = container_command("i", "c", amqp=1, management=2, password="p", volume="carillon-up")
    assert command[command.index("--volume") + 1] == "carillon-up:/var/lib/rabbitmq"
    assert command[command.index("--hostname") + 1] == "carillon"


@pytest.fixture
def docker_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a `docker` of the test's making first in the PATH; returns where to write it."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    program = tmp_path / "docker"
    program.touch(mode=0o755)
    return program


def test_an_engine_that_is_not_running_does_not_answer(docker_that: Path) -> None:
    """The client alone is not enough."""
    docker_that.write_text("#!/bin/sh\nexit 1\n")
    assert not docker_answers()


def test_an_engine_that_runs_answers(docker_that: Path) -> None:
    """`docker info` succeeds."""
    docker_that.write_text('#!/bin/sh\n[ "$1" = info ]\n')
    assert docker_answers()


def test_an_image_that_can_be_pulled_counts_as_there(docker_that: Path) -> None:
    """Not inspected, but fetched."""
    docker_that.write_text('#!/bin/sh\n[ "$1" = pull ]\n')
    assert has_image(RABBITMQ_IMAGE)


def test_an_image_that_cannot_be_had_is_not_there(docker_that: Path) -> None:
    """Neither here nor in a registry."""
    docker_that.write_text("#!/bin/sh\nexit 1\n")
    assert not has_image(RABBITMQ_IMAGE)
