"""Two PostgreSQL servers, one a standby of the other by streaming replication, and what a failover is made of.

Synchronous: a commit is answered when the standby has applied it. Whoever is promoted begins alone, and answers by
itself until it has a standby again, as those do it that manage such pairs.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from deploy.local.errors import StartError
from deploy.local.guardian import Guardian
from deploy.local.identity import unprivileged
from deploy.local.ports import LOOPBACK
from deploy.local.postgres import Postgres, programs, start_postgres

STREAMS_WITHIN = 30.0
"""Seconds until a new standby follows."""
STREAMING = "select count(*) from pg_stat_replication where state = 'streaming'"
SENDERS = "select pid from pg_stat_replication"


class Replica(StrEnum):
    """Which standby there is."""

    NONE = "none"
    SYNCHRONOUS = "synchronous"
    ASYNCHRONOUS = "asynchronous"


@dataclass
class Pair:
    """A primary and its standby, each in a folder of its own."""

    folder: Path
    guardian: Guardian
    settings: Mapping[str, str]
    durable: bool
    synchronous: bool
    primary: Postgres
    standby: Postgres | None = None
    places: int = 1

    def follow(self, port: int | None = None) -> None:
        """Make a standby from a copy of the primary, on a port that the URL names, and let commits wait for it."""
        self.places += 1
        folder = self.folder / f"place-{self.places}"
        _copy(self.primary, folder)
        self.standby = start_postgres(folder, self.guardian, durable=self.durable, settings=self.settings, port=port)
        asyncio.run(self._wait_for_it())

    async def _wait_for_it(self) -> None:
        async with asyncio.timeout(STREAMS_WITHIN):
            while not await _ask(self.primary, STREAMING):  # noqa: ASYNC110 - another process's state
                await asyncio.sleep(0.1)
        await self._commits_wait_for("*" if self.synchronous else "", self.primary)

    async def lag(self) -> None:
        """Let the standby get nothing any more, while the primary goes on and does not know."""
        os.kill(await _ask(self.primary, SENDERS), signal.SIGSTOP)

    async def fail_over(self) -> None:
        """Kill the primary and cut its replication at once, and promote the standby."""
        assert self.standby is not None
        sender = await _ask(self.primary, SENDERS)
        await asyncio.to_thread(self.primary.process.kill)
        with contextlib.suppress(ProcessLookupError):
            os.kill(sender, signal.SIGKILL)
        await self._commits_wait_for("", self.standby)
        await _ask(self.standby, "select pg_promote(true, 30)")
        self.primary, self.standby = self.standby, None

    async def _commits_wait_for(self, whom: str, server: Postgres) -> None:
        await _ask(server, f"alter system set synchronous_standby_names = '{whom}'")
        await _ask(server, "select pg_reload_conf()")

    def stop(self) -> None:
        """End both."""
        for server in (self.primary, self.standby):
            if server is not None:
                server.stop()


def _copy(primary: Postgres, folder: Path) -> None:
    """A copy that follows, by PostgreSQL's own `pg_basebackup`."""
    identity = unprivileged()
    shutil.rmtree(folder, ignore_errors=True)
    data = folder / "data"
    data.mkdir(parents=True, mode=0o700)
    identity.own(data)
    source = ["-h", LOOPBACK, "-p", str(primary.port), "-U", "carillon"]
    done = subprocess.run(  # noqa: S603 - our own command
        [*identity.prefix, programs() / "pg_basebackup", *source, "-D", data, "-R", "-X", "stream", "-c", "fast", "-N"],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        **identity.popen,
    )
    if done.returncode != 0:
        raise StartError(f"pg_basebackup failed with code {done.returncode}.\n{done.stderr}")


async def _ask(server: Postgres, statement: str) -> Any:
    connection = await asyncpg.connect(server.url("postgres"), timeout=10)
    try:
        return await connection.fetchval(statement, timeout=40)
    finally:
        connection.terminate()
