"""What was started ends when its starter does, however that comes about."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it ships no types

from deploy.local.folders import REPOSITORY
from deploy.local.guardian import Guardian
from tests.support.eventually import eventually

PARENT = """
import subprocess, sys, time, pathlib, signal
from deploy.local.guardian import Guardian
with Guardian() as guardian:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    guardian.watch(child.pid, signal.SIGTERM)
    guardian.discard(pathlib.Path(sys.argv[1]))
    print(child.pid, flush=True)
    time.sleep(60)
"""


async def test_a_killed_parent_leaves_neither_process_nor_folder(tmp_path: Path) -> None:
    """SIGKILL gives nobody the chance to tidy up, save the guardian."""
    folder = tmp_path / "data"
    folder.mkdir()
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT, str(folder)), cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    child = psutil.Process(int(await parent.stdout.readline()))
    assert child.is_running()
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    await eventually(lambda: not child.is_running())
    await eventually(lambda: not folder.exists())


def test_a_pid_that_was_forgotten_is_left_alone() -> None:
    """It has ended, and its number may be somebody else's by now."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True) as other:
        with Guardian() as guardian:
            guardian.watch(other.pid, signal.SIGTERM)
            guardian.forget(other.pid)
        assert other.poll() is None
        other.kill()


def test_what_still_runs_at_the_end_is_ended() -> None:
    """A net below every orderly stop."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True) as left:
        with Guardian() as guardian:
            guardian.watch(left.pid, signal.SIGTERM)
        assert left.wait(5) == -signal.SIGTERM


def test_a_spared_folder_stays(tmp_path: Path) -> None:
    """After an error somebody will read its logs."""
    with Guardian() as guardian:
        guardian.discard(tmp_path)
        guardian.spare(tmp_path)
    assert tmp_path.exists()
