"""The servers of a test session, and a database and a vhost for each test.

Every process that runs tests has a PostgreSQL of its own (2 s of CPU), as what a transaction sees depends on all
others of its server; RabbitMQ is one for all of them. Both are Docker's where an engine answers and has the images,
else the same embedded ones that the demo runs. `CARILLON_TEST_SERVERS=embedded` or `=docker` leaves only that way
open. A RabbitMQ named in `CARILLON_AMQP_URL` beats both: its vhosts of tests come and go by the management API in
`CARILLON_RABBITMQ_MANAGEMENT_URL`, and nothing else of it is touched.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import SplitResult, urlsplit

import aio_pika
import asyncpg  # type: ignore[import-untyped]  # it ships no types

from deploy.local.broker import Broker
from deploy.local.folders import fresh
from deploy.local.guardian import Guardian
from deploy.local.postgres import start_postgres
from shared.ledger.migrations import upgrade
from shared.topology.declare import declare
from tests.support.containers import in_containers, postgres_container
from tests.support.versions import versions

_TEMPLATE = "carillon_template"
_SERVER_TAKES_CONNECTIONS_WITHIN = 30.0


@dataclass(frozen=True)
class Servers:
    """A running PostgreSQL, with a migrated template database, and a running RabbitMQ."""

    postgres_url: str
    broker: Broker
    process: str
    numbers: Iterator[int]

    @contextlib.contextmanager
    def database(self, *, template: str = _TEMPLATE) -> Iterator[str]:
        """Give the URL of a new database, a copy of a template (30 ms): at the newest schema unless told otherwise."""
        name = f"test_{next(self.numbers)}"
        _run(self._execute(f"create database {name} template {template} strategy file_copy"))
        yield _with_database(self.postgres_url, name)
        _run(self._execute(f"drop database {name} with (force)"))

    @contextlib.contextmanager
    def vhost(self, *, topology: bool = True) -> Iterator[str]:
        """Give the URL of a new vhost, with the topology declared or empty."""
        with vhost_on(self.broker, f"test-{self.process}-{next(self.numbers)}") as url:
            if topology:
                _run(_declare(url))
            yield url

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.postgres_url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def versions(self) -> str:
        """Ask both for their versions."""
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, versions(self.broker.amqp_url(), self.postgres_url)).result()

    def make_template(self) -> None:
        """Migrate the database that every test's is a copy of."""
        _run(self._answering())
        _run(self._execute(f"create database {_TEMPLATE}"))
        _in_thread(upgrade, _with_database(self.postgres_url, _TEMPLATE))

    async def _answering(self) -> None:
        """Wait for a container's server, which opens its port before it takes connections."""
        deadline = time.monotonic() + _SERVER_TAKES_CONNECTIONS_WITHIN
        while True:
            try:
                await self._execute("select 1")
            except (OSError, asyncpg.PostgresError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)
            else:
                return


@contextlib.contextmanager
def vhost_on(broker: Broker, name: str) -> Iterator[str]:
    """Give the URL of a new empty vhost, which goes at the end; others of the same broker may run the same tests."""
    name = f"{name}-{secrets.token_hex(3)}" if broker.foreign else name
    broker.create_vhost(name)
    yield broker.amqp_url(name)
    broker.delete_vhost(name)


@contextlib.contextmanager
def running_servers(broker: Callable[[], Broker], process: str) -> Iterator[Servers]:
    """Run PostgreSQL for the tests of this process, and ask for the broker meanwhile.

    `process`: what this one is called; no other has that name and the same broker.
    """
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(broker)
        with postgres_container() if in_containers() else _embedded_postgres() as url:
            servers = Servers(url, asked.result(), process, count(1))
            servers.make_template()
            yield servers


@contextlib.contextmanager
def _embedded_postgres() -> Iterator[str]:
    """Run the demo's server on a folder that is thrown away."""
    with fresh("tests") as folder, Guardian() as guardian:
        guardian.discard(folder)
        server = start_postgres(folder / "postgres", guardian, durable=False)
        try:
            yield server.url("postgres")
        finally:
            server.stop()


async def _declare(amqp_url: str) -> None:
    """Put the product's topology on the vhost."""
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        await declare(channel)


def _run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine beside whatever event loop the test has."""
    _in_thread(asyncio.run, coroutine)


def _in_thread(function: Callable[..., object], *arguments: object) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(function, *arguments).result()


def _with_database(url: str, database: str) -> str:
    parts: SplitResult = urlsplit(url)
    return parts._replace(path=f"/{database}").geturl()
