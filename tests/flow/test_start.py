"""Servers that are down when a service starts: it waits for a limited time and logs it."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from deploy.local.guardian import Guardian
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import ManagedProcess
from deploy.local.stack import STOP_WITHIN, Stack
from tests.flow.system import System
from tests.support.eventually import eventually
from tests.support.forwarder import Forwarder, FrameForwarder, forwarded

pytestmark = pytest.mark.timeout(120)

SERVICES = ("services.api", "services.planner", "services.sender", "services.aggregator")

Launch = Callable[[str, dict[str, str]], ManagedProcess]


@pytest.fixture
def launch(stack: Stack, tmp_path: Path) -> Iterator[Launch]:
    """Give a starter of more processes on the stack's servers; what is left of them ends with the test."""
    with Guardian() as guardian:
        launched: list[ManagedProcess] = []

        def launch(module: str, environment: dict[str, str]) -> ManagedProcess:
            process = ManagedProcess(
                module,
                [sys.executable, "-m", module],
                guardian=guardian,
                log=tmp_path / f"{module}.log",
                environment={**stack.environment(), **environment},
            )
            process.start()
            launched.append(process)
            return process

        yield launch
        for process in launched:
            process.kill()


@pytest.mark.parametrize(
    ("absent", "others", "waiting", "sentence"),
    [
        ("CARILLON_AMQP_URL", "shared.topology", "broker.waiting", "RabbitMQ did not accept a connection at"),
        ("CARILLON_DATABASE_URL", "shared.ledger.migrations", "database.waiting", "PostgreSQL at"),
    ],
)
async def test_a_server_that_never_comes_is_given_up_with_a_sentence(
    stack: Stack, launch: Launch, absent: str, others: str, waiting: str, sentence: str
) -> None:
    """By every process, after the time it was given, naming the address and the variable that holds it."""
    port = free_port()
    here = stack.environment()[absent]
    nowhere = here.replace(f":{urlsplit(here).port}", f":{port}")
    environment = {absent: nowhere, "CARILLON_START_TIMEOUT": "2", "CARILLON_HTTP_PORT": "0"}
    processes = [launch(module, environment) for module in (*SERVICES, others)]
    for process in processes:
        assert await asyncio.to_thread(process.wait, 40.0), process.explain("did not give up")
        assert process.exit_code == 1, process.explain(f"ended with code {process.exit_code}")
        log = process.log.read_text()
        assert waiting in log
        last = log.splitlines()[-1]
        assert last.startswith(sentence), last
        assert f"{LOOPBACK}:{port}" in last
        assert absent in last


async def test_servers_that_come_late_are_waited_for(system: System, launch: Launch) -> None:
    """PostgreSQL first, then the broker; each wait is in the log, and then the services are ready."""
    late_database, late_broker = free_port(), free_port()
    database, broker = system.stack.database_url, system.stack.amqp_url
    there = {"database": urlsplit(database).port or 0, "broker": urlsplit(broker).port or 0}
    services: dict[str, ManagedProcess] = {}
    for module in SERVICES:
        port = free_port()
        environment = {
            "CARILLON_DATABASE_URL": database.replace(f":{there['database']}", f":{late_database}"),
            "CARILLON_AMQP_URL": broker.replace(f":{there['broker']}", f":{late_broker}"),
            "CARILLON_HTTP_PORT": str(port),
        }
        services[f"http://{LOOPBACK}:{port}/health/ready"] = launch(module, environment)
    await eventually(lambda: all("database.waiting" in said(process) for process in services.values()), within=30)
    async with forwarded(late_database, to=there["database"]):
        await eventually(lambda: all("broker.waiting" in said(process) for process in services.values()), within=30)
        async with forwarded(late_broker, to=there["broker"]):
            for url, process in services.items():
                await eventually(lambda url=url: is_ready(system, url), within=30)  # type: ignore[misc]
                process.terminate()
            for process in services.values():
                assert await asyncio.to_thread(process.wait, 20.0), process.explain("did not stop")
                assert process.exit_code == 0, process.explain(f"ended with code {process.exit_code}")


async def test_a_service_that_still_waits_ends_when_it_is_asked_to(stack: Stack, launch: Launch) -> None:
    """At once, not when the wait is over: there is nothing to drain yet."""
    nowhere = {"CARILLON_AMQP_URL": f"amqp://nobody@{LOOPBACK}:{free_port()}/", "CARILLON_HTTP_PORT": "0"}
    processes = [launch(module, nowhere) for module in SERVICES]
    await eventually(lambda: all("broker.waiting" in said(process) for process in processes), within=30)
    for process in processes:
        process.send(signal.SIGTERM)
    for process in processes:
        assert await asyncio.to_thread(process.wait, 3.0), process.explain("went on waiting")
        assert process.exit_code == 0, process.explain(f"ended with code {process.exit_code}")


MOMENTS = [
    ("services.api", 20),
    ("services.planner", 30),
    ("services.sender", 3),
    ("services.sender", 25),
    ("services.sender", 50),
    ("services.aggregator", 35),
]
"""Services, and the frame of RabbitMQ's before which it goes away: at a handshake, at publishing channels, at a
subscription. `integration/test_starting.py` goes through all frames."""


async def test_a_broker_that_goes_away_in_the_middle_of_a_start_is_waited_for(system: System, launch: Launch) -> None:
    """A connection that was made once is no promise: every later step waits as the first one does."""
    services: dict[str, ManagedProcess] = {}
    async with AsyncExitStack() as stack:
        ways = [await stack.enter_async_context(leads_astray(system, at, Forwarder.go_away)) for _, at in MOMENTS]
        for (module, _), way in zip(MOMENTS, ways, strict=True):
            port = free_port()
            environment = {"CARILLON_AMQP_URL": through(system, way), "CARILLON_HTTP_PORT": str(port)}
            services[f"http://{LOOPBACK}:{port}/health/ready"] = launch(module, environment)
        for way, process in zip(ways, services.values(), strict=True):
            await eventually(lambda way=way: way.refused > 1, within=40)  # type: ignore[misc]
            assert process.running, process.explain("did not wait")
        for way in ways:
            way.come_back()
        for url, process in services.items():
            await eventually(lambda url=url: is_ready(system, url), within=30)  # type: ignore[misc]
            assert process.running, process.explain("did not wait")
            assert "broker.waiting" in said(process)
            process.terminate()
        for process in services.values():
            assert await asyncio.to_thread(process.wait, 20.0), process.explain("did not stop")
            assert process.exit_code == 0, process.explain(f"ended with code {process.exit_code}")


async def test_a_service_whose_broker_falls_silent_while_it_starts_ends_when_it_is_asked_to(
    system: System, launch: Launch
) -> None:
    """Whatever it waits for, it ends with 0 before anybody would kill it."""
    async with AsyncExitStack() as stack:
        ways = [await stack.enter_async_context(leads_astray(system, at, Forwarder.hold)) for _, at in MOMENTS]
        processes = [
            launch(module, {"CARILLON_AMQP_URL": through(system, way), "CARILLON_HTTP_PORT": "0"})
            for (module, _), way in zip(MOMENTS, ways, strict=True)
        ]
        for (_, at), way, process in zip(MOMENTS, ways, processes, strict=True):
            await eventually(lambda way=way, at=at: way.frames >= at, within=40)  # type: ignore[misc]
            process.send(signal.SIGTERM)
        for process in processes:
            assert await asyncio.to_thread(process.wait, STOP_WITHIN), process.explain("did not stop")
            assert process.exit_code == 0, process.explain(f"ended with code {process.exit_code}")


@asynccontextmanager
async def leads_astray(system: System, at: int, then: Callable[[Forwarder], None]) -> AsyncIterator[FrameForwarder]:
    """A forwarder to the broker that fails before the broker has answered so many frames."""
    way = FrameForwarder(free_port(), to=urlsplit(system.stack.amqp_url).port or 0, at=at, then=then)
    await way.open()
    try:
        yield way
    finally:
        await way.close()


def through(system: System, way: Forwarder) -> str:
    """The broker's URL by that way."""
    url = system.stack.amqp_url
    return url.replace(f":{urlsplit(url).port}", f":{way.port}")


def said(process: ManagedProcess) -> str:
    """What a process has written so far."""
    return process.log.read_text()


async def is_ready(system: System, url: str) -> bool:
    """Whether a service says that it can work."""
    try:
        return (await system.api.get(url)).status_code == 200
    except httpx.TransportError:
        return False
