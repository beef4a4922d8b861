"""Where a local stack keeps what it writes, and the lock that gives a folder to one stack at a time."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from deploy.local.errors import FolderInUseError

REPOSITORY = Path(__file__).resolve().parents[2]
"""Root of the checkout, and of imports: every `python -m services...` starts here."""

LOCAL = REPOSITORY / ".local"
"""Data of local stacks; ignored by git."""


@contextlib.contextmanager
def kept(name: str) -> Iterator[Path]:
    """Hold the named folder, whose content outlives the stack.

    Raises `FolderInUseError` when another stack has it.
    """
    folder = LOCAL / name
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        yield folder


@contextlib.contextmanager
def fresh(name: str) -> Iterator[Path]:
    """Make a new empty folder; it is removed at the end, unless an error leaves its logs to be read."""
    LOCAL.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=LOCAL))
    try:
        with _locked(folder):
            yield folder
    except (Exception, SystemExit):
        raise
    except BaseException:
        # Interrupted by the user: there is nothing to look into.
        _remove(folder)
        raise
    _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder, unless a guardian was first."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold an advisory lock, which the system drops when the process ends, however it ends."""
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise FolderInUseError(
                f"Another stack (process {lock.read().strip() or 'unknown'}) runs on {folder}: stop it, "
                "or start this one under another --name."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
