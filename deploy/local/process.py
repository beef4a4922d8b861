"""One process that the stack started: its command, its log, its end.

It leads a session of its own, so that Ctrl-C in the terminal reaches only the stack, which stops things in
order.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # it ships no types

from deploy.local.errors import StartError
from deploy.local.folders import REPOSITORY
from deploy.local.guardian import Guardian

_POLL = 0.02
"""Seconds between two looks at a starting process: below what a person or a benchmark notices."""

_CPU_READS = 100
"""Tries to read the CPU time of a process's whole family without one of it ending meanwhile, a millisecond each."""

_LAST_LINES = 15


class ManagedProcess:
    """A command that can be started, ended, killed and started again under the same name."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        guardian: Guardian,
        log: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path = REPOSITORY,
        request: signal.Signals = signal.SIGTERM,
        ready: Callable[[], bool] = lambda: True,
        ready_within: float = 60.0,
        popen: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.command = [str(part) for part in command]
        self.log = log
        self.ready = ready
        self.ready_within = ready_within
        self._guardian = guardian
        self.environment = environment
        """What its next start gets; None: what this process has."""
        self._folder = folder
        self._request = request
        self._arguments = dict(popen or {})
        self._popen: subprocess.Popen[bytes] | None = None
        self._earlier_runs = 0.0
        self._this_run = 0.0

    @property
    def pid(self) -> int:
        """Pid of the running process, or of the one that ran last."""
        if self._popen is None:
            raise RuntimeError(f"{self.name} was never started.")
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether it is alive now."""
        return self._popen is not None and self._poll() is None

    @property
    def exit_code(self) -> int | None:
        """Exit code of the last run; negative: the signal that killed it; None: running, or never started."""
        return None if self._popen is None else self._poll()

    def start(self) -> None:
        """Start it; its output is appended to `log`."""
        if self.running:
            raise RuntimeError(f"{self.name} is already running as process {self.pid}.")
        self._earlier_runs, self._this_run = self._earlier_runs + self._this_run, 0.0
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(  # noqa: S603 - our own command
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=self._folder,
                start_new_session=True,
                **self._arguments,
            )
        self._guardian.watch(self._popen.pid, self._request)

    def wait_ready(self) -> None:
        """Block until `ready()`; raise `StartError` when the process exits first or `ready_within` seconds pass."""
        deadline = time.monotonic() + self.ready_within
        while not self.ready():
            if not self.running:
                raise StartError(self.explain(f"exited with code {self.exit_code} while starting"))
            if time.monotonic() > deadline:
                raise StartError(self.explain(f"was not ready within {self.ready_within:.0f} s"))
            time.sleep(_POLL)

    def finish(self) -> None:
        """Start it and block until it has ended; raise `StartError` unless it exits with 0 within `ready_within`."""
        self.start()
        if not self.wait(self.ready_within):
            self.kill()
            raise StartError(self.explain(f"did not finish within {self.ready_within:.0f} s"))
        if self.exit_code != 0:
            raise StartError(self.explain(f"failed with code {self.exit_code}"))

    def explain(self, problem: str) -> str:
        """Say what happened to this process, with the end of its log and where to read the rest."""
        lines = self.log.read_text(errors="replace").splitlines()[-_LAST_LINES:] if self.log.exists() else []
        shown = "\n".join(f"  | {line}" for line in lines) or "  | (it wrote nothing)"
        return f"{self.name} {problem}. Its last words, in full in {self.log}:\n{shown}"

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process itself; one that has ended is left alone."""
        if self._popen is not None and self._poll() is None:
            self._popen.send_signal(number)

    def terminate(self) -> None:
        """Ask it to finish what it does and end."""
        self.send(self._request)

    def kill(self) -> None:
        """End it and its group at once, as a power cut would."""
        if self.running:
            self.cpu_seconds()  # the system forgets it with the process
            os.killpg(self.pid, signal.SIGKILL)
            self.wait(None)

    def wait(self, within: float | None) -> bool:
        """Block until it has ended; False when `within` seconds pass first."""
        if self._popen is None:
            return True
        deadline = None if within is None else time.monotonic() + within
        while self._poll() is None:
            if deadline is not None and time.monotonic() > deadline:
                return False
            time.sleep(_POLL)
        return True

    def stop(self, within: float) -> bool:
        """Ask it to end, and kill it after `within` seconds; tell whether asking was enough."""
        self.cpu_seconds()  # the system forgets it with the process
        self.terminate()
        if self.wait(within):
            return True
        self.kill()
        return False

    def cpu_seconds(self) -> float:
        """User and system time of it and its descendants, ended ones included, over all its runs."""
        if self.running:
            self._this_run = max(self._this_run, _cpu_of_family(self.pid))
        return self._earlier_runs + self._this_run

    def _poll(self) -> int | None:
        assert self._popen is not None  # noqa: S101 - callers looked
        if self._popen.returncode is not None:
            return self._popen.returncode
        code = self._popen.poll()
        if code is not None:
            # Helpers in the group may outlive a leader that was killed; within this instant the number is
            # still theirs.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, signal.SIGKILL)
            self._guardian.forget(self._popen.pid)
        return code


def _cpu_of_family(pid: int) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        leader = psutil.Process(pid)
        for _ in range(_CPU_READS):
            # Of a child that ends after its parent was read nobody tells: all of them are read once more.
            with contextlib.suppress(psutil.NoSuchProcess):
                return sum(_cpu_of(process) for process in (leader, *leader.children(recursive=True)))
        return _cpu_of(leader)
    return 0.0


def _cpu_of(process: psutil.Process) -> float:
    times = process.cpu_times()
    # What ended children used is added to their parent (Linux only).
    ended: float = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return float(times.user + times.system + ended)
