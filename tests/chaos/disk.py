"""A disk that can be full: a tmpfs in a mount namespace, which a process keeps and the ledger's server enters.

Nothing is mounted where anybody else sees it, and whatever dies leaves nothing mounted. It takes no memory but for what
is written; it is filled by making it as small as what it holds. Needs root.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from deploy.local.guardian import Guardian
from deploy.local.identity import unprivileged
from deploy.local.process import ManagedProcess

SIZE = 2 * 1024**3
"""Bytes that it may grow to: more than any ledger of chaos needs."""
ROOM = 64 * 1024
"""Bytes that are left when it is full: what is written while it is being filled."""
PATH = Path("/mnt")
"""Where it is mounted: every system has it, and whoever the server runs as may pass through all folders above."""
PROGRAMS = ("unshare", "nsenter", "mount", "setpriv")


@cache
def possible() -> bool:
    """Whether this machine lets us have one."""
    if os.geteuid() != 0 or not all(shutil.which(program) for program in PROGRAMS) or not unprivileged().prefix:
        return False
    trial = f"mount -t tmpfs -o size=64k tmpfs {PATH}"
    return _run(["unshare", "--mount", "sh", "-c", trial]).returncode == 0


@dataclass(frozen=True)
class Disk:
    """Mounted at `PATH`, for who enters it."""

    process: ManagedProcess

    @property
    def entering(self) -> list[str]:
        """A command's prefix: it runs where the disk is."""
        return ["nsenter", f"--mount=/proc/{self.process.pid}/ns/mnt"]

    def fill(self) -> int:
        """Leave nothing of it free; returns the bytes that it holds."""
        for _ in range(20):
            inside = os.statvfs(f"/proc/{self.process.pid}/root{PATH}")
            used = (inside.f_blocks - inside.f_bfree) * inside.f_frsize
            if self._resize(used + ROOM).returncode == 0:
                return used
        raise OSError("the disk could not be made as small as what it holds")

    def free(self) -> None:
        """Give it its room again."""
        if (told := self._resize(SIZE)).returncode != 0:
            raise OSError(told.stderr)

    def _resize(self, size: int) -> "subprocess.CompletedProcess[str]":
        return _run([*self.entering, "mount", "-o", f"remount,size={size}", str(PATH)])


def mount(guardian: Guardian, log: Path) -> Disk:
    """Make one, of whom the server runs as; it is there as long as its process or who has entered it."""
    owner = unprivileged().owner or 0
    options = f"size={SIZE},mode=700,uid={owner}"
    keep = f"mount -t tmpfs -o {options} tmpfs {PATH} && exec sleep infinity"
    process = ManagedProcess(
        "disk",
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", keep],
        guardian=guardian,
        log=log,
        folder=Path("/"),
        ready=lambda: f" {PATH} tmpfs" in Path(f"/proc/{process.pid}/mounts").read_text(),
    )
    process.start()
    process.wait_ready()
    return Disk(process)


def _run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
