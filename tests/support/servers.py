"""The servers of a test session, and a database and a vhost for each test.

Docker's where an engine answers and has the images, else the same embedded ones that the demo runs, started together
(5 s). `CARILLON_TEST_SERVERS=embedded` or `=docker` leaves only that way open. A RabbitMQ named in `CARILLON_AMQP_URL`
beats both: its vhosts of tests come and go by the management API in `CARILLON_RABBITMQ_MANAGEMENT_URL`, and nothing
else of it is touched.
"""

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import SplitResult, urlsplit

import aio_pika
import asyncpg  # type: ignore[import-untyped]  # it ships no types

from deploy.local.broker import Broker, foreign_broker
from deploy.local.broker_choice import start_broker
from deploy.local.docker import DEFAULT_IMAGE, docker_answers, has_image
from deploy.local.folders import fresh
from deploy.local.guardian import Guardian
from deploy.local.postgres import start_postgres
from deploy.versions import POSTGRES_IMAGE
from shared.ledger.migrations import upgrade
from shared.topology.declare import declare
from tests.support.containers import containers
from tests.support.versions import versions

_TEMPLATE = "carillon_template"
_SERVER_TAKES_CONNECTIONS_WITHIN = 30.0


@dataclass(frozen=True)
class Servers:
    """A running PostgreSQL, with a migrated template database, and a running RabbitMQ."""

    postgres_url: str
    broker: Broker
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
        with vhost_on(self.broker, f"test-{next(self.numbers)}") as url:
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


def named_broker(environment: Mapping[str, str]) -> Broker | None:
    """Return the broker that the environment names, whose management API answers; None when it names none."""
    url = environment.get("CARILLON_AMQP_URL")
    if not url:
        return None
    broker = foreign_broker(url, environment.get("CARILLON_RABBITMQ_MANAGEMENT_URL"))
    broker.manage("GET", "/whoami")
    return broker


@contextlib.contextmanager
def running_servers() -> Iterator[Servers]:
    """Run both servers for a test session."""
    only = os.environ.get("CARILLON_TEST_SERVERS")
    image = os.environ.get("CARILLON_RABBITMQ_IMAGE", DEFAULT_IMAGE)
    named = named_broker(os.environ) is not None
    use_docker = not named and (
        only == "docker" or (only != "embedded" and docker_answers() and has_image(image) and has_image(POSTGRES_IMAGE))
    )
    with containers(image) if use_docker else _embedded() as (postgres_url, broker):
        servers = Servers(postgres_url, broker, count(1))
        servers.make_template()
        yield servers


@contextlib.contextmanager
def _embedded() -> Iterator[tuple[str, Broker]]:
    """Run the demo's servers on a folder that is thrown away; no broker where the environment names one."""
    environment = {**os.environ, "CARILLON_BROKER": "package"}
    with fresh("tests") as folder, Guardian() as guardian, contextlib.ExitStack() as stops:
        guardian.discard(folder)
        with ThreadPoolExecutor() as pool:
            database = pool.submit(start_postgres, folder / "postgres", guardian, durable=False)
            broker = pool.submit(
                start_broker, folder / "rabbitmq", guardian, environment, keep=False, say=lambda _: None
            )
        for server in (database, broker):
            if server.exception() is None:
                stops.callback(server.result().stop)
        yield database.result().url("postgres"), broker.result()


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
