"""Which suite serves, what is said, and in which environment the command runs."""

from pathlib import Path

import pytest

from deploy.roots import __main__ as on
from deploy.roots import prepared
from deploy.roots.errors import UNAVAILABLE, UnavailableError
from deploy.roots.prepared import Root
from deploy.versions import SID, TRIXIE, Suite

MIRROR = "http://mirror.test/debian"


def ready(folder: Path, suite: Suite, version: str) -> Root:
    """Put down a suite as `make` leaves it, and look at it."""
    script = folder / suite.name / "carillon" / f"rabbitmq_server-{version}" / "sbin" / "rabbitmq-server"
    script.parent.mkdir(parents=True)
    script.touch(mode=0o755)
    versions = folder / suite.name / "carillon" / "versions"
    versions.write_text(f"erlang-base 1:29.1.2+dfsg-1\nrabbitmq-server {version}-1\n")
    return prepared.prepared(suite, MIRROR, print)


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder of all suites, empty, on a machine whose mirror does not answer."""
    monkeypatch.setenv("CARILLON_ROOTS", str(tmp_path))
    monkeypatch.setattr(on, "check_machine", lambda: MIRROR)

    def refuse(suite: Suite, *_: object) -> None:
        raise UnavailableError(f"{MIRROR} has no {suite.name}")

    monkeypatch.setattr(prepared, "_make", refuse)
    return tmp_path


def test_a_suite_that_is_there_tells_its_versions(roots: Path) -> None:
    """Those of the packages that are in it, whatever the suite held once."""
    root = ready(roots, SID, "4.4.1")
    assert root.rabbitmq == "4.4.1"
    assert str(root) == "RabbitMQ 4.4.1 (Debian sid, Erlang 29.1.2)"


def test_a_suite_that_cannot_be_had_is_stood_in_for_aloud(roots: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sid moves, and may be gone; the next suite serves."""
    ready(roots, TRIXIE, "4.0.5")
    assert on.first_of([SID, TRIXIE], MIRROR).suite is TRIXIE
    said = capsys.readouterr().err
    assert "http://mirror.test/debian has no sid" in said
    assert "Debian trixie stands in" in said


def test_a_machine_that_may_not_is_refused_once(
    roots: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another suite would be refused as well: none stands in."""

    def refuse() -> str:
        raise UnavailableError("no mount namespace here")

    monkeypatch.setattr(on, "check_machine", refuse)
    assert on.main(["rabbitmq-4.3", "test"]) == UNAVAILABLE
    said = capsys.readouterr().err
    assert "rabbitmq-4.3 cannot be had here. no mount namespace here" in said
    assert "stands in" not in said


def test_where_nothing_can_be_had_the_alternatives_are_named(roots: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An exit code of its own: CI tells it from a fault."""
    assert on.main(["rabbitmq-4.0", "test"]) == UNAVAILABLE
    said = capsys.readouterr().err
    assert "rabbitmq-4.0 cannot be had here" in said
    assert "CARILLON_AMQP_URL" in said
    assert "Docker" in said


def test_another_name_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """A slip of the finger."""
    assert on.main(["rabbitmq-5"]) == 2
    assert "rabbitmq-3.10, rabbitmq-4.0, rabbitmq-4.3" in capsys.readouterr().err


def test_a_version_that_has_moved_on_is_told(roots: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is what runs: a fault of ours on it is a finding, not an accident."""
    ready(roots, SID, "4.4.1")
    assert on.main(["rabbitmq-4.3"]) == 0
    assert "RabbitMQ 4.4.1 (Debian sid, Erlang 29.1.2) is what there is for rabbitmq-4.3" in capsys.readouterr().err


def test_the_command_finds_this_broker_and_no_other(roots: Path) -> None:
    """Neither one that is named, nor Docker's, nor the machine's."""
    root = ready(roots, SID, "4.3.6")
    environment = on.environment_on(root, {"CARILLON_AMQP_URL": "amqp://other", "HOME": "/h", "PATH": "/bin"})
    assert environment == {
        "HOME": "/h",
        "PATH": f"{root.folder}/carillon/bin:/bin",
        "CARILLON_BROKER": "package",
        "CARILLON_TEST_SERVERS": "embedded",
        "CARILLON_RABBITMQ_SERVER": str(root.script),
    }


def test_a_user_without_sudo_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """In words, with what would help."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(UnavailableError, match=r"(?s)root, or sudo without a password.*CARILLON_AMQP_URL"):
        prepared.as_root(["true"])


def test_sudo_keeps_the_users_own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its names are the user's, not root's, also those that the user has not set."""
    sudo = tmp_path / "sudo"
    sudo.write_text("#!/bin/sh\n")
    sudo.chmod(0o755)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setenv("HOME", "/home/mina")
    monkeypatch.delenv("LOGNAME", raising=False)
    words = prepared.as_root(["unshare", "true"])
    assert words[:4] == ["sudo", "-n", "-E", "env"]
    assert words[words.index("LOGNAME") - 1] == "-u"
    assert "HOME=/home/mina" in words
    assert words[-2:] == ["unshare", "true"]
