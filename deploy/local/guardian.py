"""A small process that outlives its parent just long enough to end what the parent started.

A stack can die without any cleanup (SIGKILL, a closed terminal, a debugger). The guardian holds the reading end
of a pipe; the parent tells it the pid of every process it starts. When the pipe closes, whatever still
lives of them is ended: asked first, killed after `PATIENCE`. A pid is remembered with its start time, so a
number that the system gave to somebody else meanwhile is left alone.
"""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

import psutil  # type: ignore[import-untyped]  # it ships no types

from deploy.local.folders import REPOSITORY

PATIENCE = 10.0
"""Seconds between asking and killing: more than a broker needs to close."""


class Guardian:
    """The parent's side: a context within which processes can be placed under guard. Thread-safe."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local.guardian"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=REPOSITORY,
            # Ctrl-C reaches the whole foreground group: the guardian must not be in it.
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()

    def watch(self, pid: int, request: signal.Signals) -> None:
        """Place `pid` under guard; `request` is the signal that asks it to end."""
        self._tell({"watch": pid, "request": int(request)})

    def discard(self, folder: Path) -> None:
        """Have `folder` removed at the end."""
        self._tell({"discard": str(folder)})

    def spare(self, folder: Path) -> None:
        """Have `folder` kept after all."""
        self._tell({"spare": str(folder)})

    def at_the_end(self, *command: str) -> None:
        """Have a command run when all processes have ended, whatever it says: the newest first."""
        self._tell({"run": command})

    def forget(self, pid: int) -> None:
        """Take `pid` from under guard: it has ended."""
        self._tell({"forget": pid})

    def _tell(self, order: Mapping[str, int | str | tuple[str, ...]]) -> None:
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("The guardian is not running: use it as a context manager.")
        with self._lock:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()


def _guard(orders: Iterable[str]) -> None:
    """Follow the parent's orders until it is gone, then end what is left, newest first, and tidy up."""
    watched: dict[int, tuple[psutil.Process, int]] = {}
    folders: set[str] = set()
    commands: list[list[str]] = []
    for line in orders:
        match json.loads(line):
            case {"watch": pid, "request": request}:
                with contextlib.suppress(psutil.NoSuchProcess):
                    watched[pid] = (psutil.Process(pid), request)
            case {"forget": pid}:
                watched.pop(pid, None)
            case {"discard": folder}:
                folders.add(folder)
            case {"spare": folder}:
                folders.discard(folder)
            case {"run": command}:
                commands.append(command)
    _end(watched)
    for command in reversed(commands):
        with contextlib.suppress(OSError):
            subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our parent's own
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _end(watched: Mapping[int, tuple[psutil.Process, int]]) -> None:
    left = [process for process, _ in watched.values() if process.is_running()]
    families = [member for process in left for member in (process, *_descendants(process))]
    for process, request in reversed(list(watched.values())):
        with contextlib.suppress(psutil.Error):
            process.send_signal(request)
    deadline = time.monotonic() + PATIENCE
    while any(_lives(process) for process in left) and time.monotonic() < deadline:
        time.sleep(0.02)
    for process in families:
        with contextlib.suppress(psutil.Error):
            process.kill()


def _lives(process: psutil.Process) -> bool:
    """Whether it still runs; one that has ended but that nobody has waited for does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _guard(sys.stdin)
