"""An emulator of one's own, as a child process: `async with running_emulator() as emulator`.

A process, not a task: clients that block their loop (google-auth does) cannot starve it, and it shows up by itself in
measurements. It ends with its parent, however that ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from services.fcm_emulator.client import EmulatorClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

_ROOT = Path(__file__).parents[2]
_START_BUDGET = 20.0
_STOP_BUDGET = 5.0


class EmulatorStartError(Exception):
    """Raised when the emulator ended, or said nothing, instead of getting ready; carries what it wrote."""


class RunningEmulator(EmulatorClient):
    """A started emulator: its addresses, and its control routes as methods."""

    def __init__(self, *, url: str, ca_file: str, credentials_dir: str, pid: int) -> None:
        super().__init__(url, Path(ca_file))
        self.credentials_dir = Path(credentials_dir)
        self.pid = pid


@asynccontextmanager
async def running_emulator(
    *,
    script: dict[str, Any] | None = None,
    projects: Sequence[str] = ("default",),
    folder: Path | None = None,
    port: int = 0,
    keep_messages: int = 1000,
) -> AsyncIterator[RunningEmulator]:
    """Start an emulator with a script (`script.Script`'s fields) and a service account for each project."""
    with TemporaryDirectory(prefix="fcm-emulator-") as temporary:
        home = folder or Path(temporary)
        script_file = Path(temporary) / "script.json"
        script_file.write_text(json.dumps(script or {}))
        options = ["--folder", home, "--port", port, "--script", script_file, "--keep-messages", keep_messages]
        for project in projects:
            options += ["--project", project]
        async with _process(Path(temporary) / "stderr", *options) as ready, RunningEmulator(**ready) as emulator:
            yield emulator


@asynccontextmanager
async def _process(log: Path, *options: object) -> AsyncIterator[dict[str, Any]]:
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.fcm_emulator", "--attached", *map(str, options)),
            cwd=_ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
        )
    try:
        yield await _ready(process, log)
    finally:
        await _end(process)


async def _ready(process: asyncio.subprocess.Process, log: Path) -> dict[str, Any]:
    line = b""
    with suppress(TimeoutError):
        async with asyncio.timeout(_START_BUDGET):
            line = await _output(process).readline()
    if not line:
        raise EmulatorStartError(
            f"the emulator (exit code {process.returncode}) was not ready within {_START_BUDGET:.0f} s; it wrote:\n"
            + (await asyncio.to_thread(log.read_text, errors="replace"))[-4000:]
        )
    found: dict[str, Any] = json.loads(line)
    return found


async def _end(process: asyncio.subprocess.Process) -> None:
    # Gone already: nothing to end.
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_BUDGET):
            await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()


def _output(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    if process.stdout is None:
        raise EmulatorStartError("the emulator was started without a pipe for its output")
    return process.stdout
