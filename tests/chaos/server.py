"""The stage's PostgreSQL: the services are a role with a password, their tables lie on a disk of their own.

So whatever an operator or a provider does to a role, a database or a disk can be done to the services, while who looks
on and who undoes it is somebody else: the server's superuser, whose sessions set for themselves what is changed for
everybody.
"""

import asyncio
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from deploy.local.guardian import Guardian
from deploy.local.options import StackOptions
from deploy.local.ports import LOOPBACK
from deploy.local.postgres import Postgres, start_postgres
from deploy.local.stack import Stack
from tests.chaos import disk
from tests.chaos.replica import Pair, Replica

ROLE, PASSWORD = "services", "right"
DATABASE = "carillon"
SETTINGS = {"max_connections": "120", "superuser_reserved_connections": "10"}
"""Slots for eight services and as many clients as a fault needs to use them all up; who looks on has some left."""
UNMOVED = {
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read committed",
    "lock_timeout": "0",
    "statement_timeout": "0",
}
"""What the superuser's sessions set for themselves."""
BY_PASSWORD = f"host all {ROLE} {LOOPBACK}/32 scram-sha-256\n"
SERVER = (
    f"create role {ROLE} login password '{PASSWORD}'",
    f"alter database {DATABASE} owner to {ROLE}",
)


FOLLOWED = {"wal_level": "replica", "max_wal_senders": "4", "wal_retrieve_retry_interval": "500ms"}
"""What a pair needs besides."""


class Grounds(Stack):
    """A stack whose services are that role."""

    def __init__(self, options: StackOptions, replica: Replica = Replica.NONE) -> None:
        super().__init__(options)
        self.replica = replica
        self.disk: disk.Disk | None = None
        """None: this machine gives us none, or there is a standby, which could not lie on the same."""
        self.pair: Pair | None = None
        """None: there is no standby."""
        self._ports: list[int] = []

    @property
    def database_url(self) -> str:
        """Where the ledger is, for the services."""
        hosts = ",".join(f"{LOOPBACK}:{port}" for port in self._ports)
        return f"postgresql://{ROLE}:{PASSWORD}@{hosts}/{DATABASE}"

    @property
    def superuser_url(self) -> str:
        """The same for who looks on."""
        return self.postgres.url()

    def start_database(self, folder: Path, guardian: Guardian) -> Postgres:
        """Start it with its role, on its disk or with its standby."""
        if self.replica is not Replica.NONE:
            return self._start_pair(folder, guardian)
        prefix: list[str] = []
        tables: list[str] = []
        if disk.possible():
            self.disk = disk.mount(guardian, self.folder / "logs" / "disk.log")
            self._servers.append(self.disk.process.kill)
            prefix = self.disk.entering
            tables = [
                f"create tablespace disk location '{disk.PATH}'",
                f"alter database {DATABASE} set tablespace disk",
            ]
        server = start_postgres(folder, guardian, durable=self.options.durable, settings=SETTINGS, prefix=prefix)
        _receive(server, folder, *tables)
        self._ports = [server.port]
        return server

    def _start_pair(self, folder: Path, guardian: Guardian) -> Postgres:
        synchronous = self.replica is Replica.SYNCHRONOUS
        settings = {**SETTINGS, **FOLLOWED, **({"synchronous_commit": "remote_apply"} if synchronous else {})}
        durable = self.options.durable
        server = start_postgres(folder / "place-1", guardian, durable=durable, settings=settings)
        _receive(server, folder / "place-1")
        self.pair = Pair(folder, guardian, settings, durable, synchronous, server)
        self._servers.append(self.pair.stop)
        self.pair.follow()
        assert self.pair.standby is not None
        self._ports = [server.port, self.pair.standby.port]
        return server

    def follow_the_primary(self) -> None:
        """Read the server that is the primary now."""
        assert self.pair is not None
        self.postgres = self.pair.primary
        self.processes["postgres"] = self.pair.primary.process


def _receive(server: Postgres, folder: Path, *first: str) -> None:
    """Make the role, which owns the database and comes by a password."""
    access = folder / "data" / "pg_hba.conf"
    access.write_text(BY_PASSWORD + access.read_text())
    asyncio.run(_run(server.url("postgres"), *first, *SERVER, "select pg_reload_conf()"))


async def _run(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
