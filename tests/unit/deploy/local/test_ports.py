"""Ports for what starts on loopback."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.local import ports
from deploy.local.folders import REPOSITORY

RANGE = range(20_000, 20_200)
DRAW = """
import pathlib, sys
from deploy.local import ports
ports._RANGE, ports._GIVEN = range(20_000, 20_200), pathlib.Path(sys.argv[1])
ports.is_free = lambda _: True
print(*(ports.free_port() for _ in range(15)))
"""


@pytest.fixture(autouse=True)
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A small range of which nothing was given yet and nothing is listened on; the file that keeps it."""
    monkeypatch.setattr(ports, "is_free", lambda _: True)
    monkeypatch.setattr(ports, "_RANGE", RANGE)
    monkeypatch.setattr(ports, "_GIVEN", tmp_path / "new" / "ports")
    return tmp_path / "new" / "ports"


def test_what_starts_together_in_one_process_does_not_meet() -> None:
    """A port is given once, though nobody listens on it yet."""
    given = [ports.free_port() for _ in range(150)]
    assert len(set(given)) == len(given)


def test_what_starts_together_in_several_processes_does_not_meet(given: Path) -> None:
    """Workers of one run of tests, a demo beside it."""
    ports.free_port()
    command = [sys.executable, "-c", DRAW, str(given)]
    processes = [
        subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
        for _ in range(4)
    ]
    drawn = [port for process in processes for port in process.communicate()[0].split()]
    assert len(drawn) == len(set(drawn)) == 60


def test_a_port_is_given_again_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a machine that is not switched off runs out of them; nor does a clock that was set back keep them."""
    now = 1_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    monkeypatch.setattr(ports, "_RANGE", range(20_000, 20_001))
    assert ports.free_port() == 20_000
    with pytest.raises(OSError, match="No free port"):
        ports.free_port()
    now += ports._KEPT
    assert ports.free_port() == 20_000
    now -= 10 * ports._KEPT
    assert ports.free_port() == 20_000
