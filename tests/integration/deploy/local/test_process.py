"""Processes that the stack holds: their start, their end, and what is said about them."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it ships no types
import pytest

from deploy.local.errors import StartError
from deploy.local.guardian import Guardian
from deploy.local.process import ManagedProcess
from tests.support.eventually import eventually

Make = Callable[[str], ManagedProcess]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Give a maker of processes that run a line of Python; what is left of them ends with the test."""
    with Guardian() as guardian:
        made: list[ManagedProcess] = []

        def make(code: str) -> ManagedProcess:
            made.append(
                ManagedProcess("job", [sys.executable, "-c", code], guardian=guardian, log=tmp_path / "job.log")
            )
            return made[-1]

        yield make
        for process in made:
            process.kill()


def test_a_process_that_fails_to_start_is_explained_by_its_log(make: Make) -> None:
    """The exit code, the last words, and where the rest is."""
    process = make("import sys; sys.exit('CARILLON_AMQP_URL is not set')")
    process.ready = lambda: False
    process.start()
    with pytest.raises(StartError, match=r"(?s)job exited with code 1.*job\.log.*CARILLON_AMQP_URL is not set"):
        process.wait_ready()


def test_a_process_that_stays_silent_is_given_up_on(make: Make) -> None:
    """In bounded time."""
    process = make("import time; time.sleep(60)")
    process.ready, process.ready_within = lambda: False, 0.05
    process.start()
    with pytest.raises(StartError, match="was not ready within"):
        process.wait_ready()


def test_a_job_that_fails_is_an_error(make: Make) -> None:
    """A migration that did not happen must stop the start."""
    with pytest.raises(StartError, match="failed with code 3"):
        make("raise SystemExit(3)").finish()


def test_asking_is_enough_for_a_process_that_listens(make: Make) -> None:
    """SIGTERM, and its own exit code."""
    process = make("import time; time.sleep(60)")
    process.start()
    assert process.stop(5.0)
    assert process.exit_code == -signal.SIGTERM


async def test_a_process_that_does_not_listen_is_killed(make: Make) -> None:
    """After its budget, and the caller is told."""
    process = make(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    process.start()
    await eventually(lambda: "deaf" in process.log.read_text())
    assert not process.stop(0.1)
    assert process.exit_code == -signal.SIGKILL


async def test_children_of_a_killed_process_end_too(make: Make) -> None:
    """Nothing is left running, also when a leader dies in mid-work."""
    process = make(
        "import subprocess, sys, time;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print('child', child.pid, flush=True); time.sleep(60)"
    )
    process.start()
    await eventually(lambda: "child" in process.log.read_text())
    child = psutil.Process(int(process.log.read_text().split()[-1]))
    os.kill(process.pid, signal.SIGKILL)
    await eventually(lambda: not process.running)
    await eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


async def test_cpu_time_adds_up_over_restarts(make: Make) -> None:
    """A benchmark over a restart still counts all that was spent."""
    process = make("sum(range(3_000_000)); print('done', flush=True); import time; time.sleep(60)")
    process.start()
    await eventually(lambda: "done" in process.log.read_text())
    spent = process.cpu_seconds()
    assert spent > 0
    process.kill()
    assert process.cpu_seconds() >= spent
    process.start()
    assert process.running
    assert process.cpu_seconds() >= spent
