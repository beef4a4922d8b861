"""The process: it starts, says where it is, and ends."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it ships no types
import pytest

from services.fcm_emulator import running_emulator
from services.fcm_emulator.running import EmulatorStartError
from tests.support.eventually import eventually


async def test_it_ends_promptly_on_sigterm_with_an_answer_hanging(tmp_path: Path) -> None:
    """No client can hold it."""
    async with running_emulator(script={"shares": {"HANG": 1}}, folder=tmp_path) as emulator:
        sending = asyncio.create_task(
            emulator._http.post(
                "/v1/projects/default/messages:send",
                json={"message": {"token": "t"}},
                headers={"authorization": "Bearer x"},
            )
        )

        async def hanging() -> object:
            return (await emulator.summary())["accepted"]

        await eventually(hanging)
        process, began = psutil.Process(emulator.pid), time.monotonic()
        os.kill(emulator.pid, signal.SIGTERM)
        await eventually(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
        assert time.monotonic() - began < 2
        assert isinstance((await asyncio.gather(sending, return_exceptions=True))[0], Exception)


async def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    """A killed test run leaves no emulator behind."""
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.fcm_emulator.parent", str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    parent.kill()
    await parent.communicate()
    await eventually(lambda: not psutil.pid_exists(pid))


async def test_a_second_start_keeps_certificate_and_port(tmp_path: Path) -> None:
    """Clients of the first go on with the second."""
    async with running_emulator(folder=tmp_path) as first:
        ca, port = first.ca_file.read_text(), int(first.url.rpartition(":")[2])
    async with running_emulator(folder=tmp_path, port=port) as second:
        assert second.url == first.url
        assert second.ca_file.read_text() == ca


async def test_a_taken_port_is_told_at_the_start() -> None:
    """Two emulators never share a port and its connections."""
    async with running_emulator() as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(EmulatorStartError, match="choose another port"):
            async with running_emulator(port=port):
                pass
        assert (await first.summary())["requests"] == 0


async def test_a_wrong_script_is_told_at_the_start() -> None:
    """The error carries the emulator's own words."""
    with pytest.raises(EmulatorStartError, match="add up to 2"):
        async with running_emulator(script={"shares": {"HANG": 1, "CUT": 1}}):
            pass
