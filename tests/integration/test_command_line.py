"""`./run` itself: what it says, and what it refuses."""

import subprocess

from deploy.local.folders import REPOSITORY
from shared.version import VERSION


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script to its end."""
    return subprocess.run(["./run", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False)  # noqa: S603 - ours


def test_help_is_the_manual() -> None:
    """Every command is on one screen."""
    result = run("help")
    assert result.returncode == 0
    for command in ("demo", "up", "test", "check", "bench", "rehearse", "clients", "on", "lock", "release"):
        assert f"./run {command}" in result.stdout
    assert result.stdout.count("\n") < 40


def test_the_version_is_the_services_own() -> None:
    """One word and a number, for scripts and reports of faults."""
    result = run("--version")
    assert (result.returncode, result.stdout) == (0, f"carillon {VERSION}\n")


def test_an_unknown_command_is_refused_with_the_manual() -> None:
    """On stderr, with an exit code that stops scripts."""
    result = run("launch")
    assert result.returncode == 1
    assert "there is no command 'launch'" in result.stderr
    assert "./run demo" in result.stderr


def test_a_wrong_option_is_refused_before_anything_starts() -> None:
    """No server is started for it."""
    result = run("demo", "--devices", "none")
    assert result.returncode != 0
    assert "--devices" in result.stderr
