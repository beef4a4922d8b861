"""Services whose broker goes away or falls silent while they start: they wait for it, and are ready when it is back.

The trouble comes at each frame of RabbitMQ's that a start waits for, one start after the other: no step is left out.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx
import pytest
from pydantic import SecretStr
from yarl import URL

from deploy.local.ports import LOOPBACK, free_port
from services.aggregator.app import aggregator
from services.api.app import api
from services.api.settings import ApiSettings
from services.planner.app import planner
from services.sender.app import sender
from shared.amqp import connection, consumer, publisher
from shared.config import FcmSettings
from shared.ledger.retention import Retention
from shared.ledger.times import Times
from shared.lifecycle import Loops
from shared.tasks import end
from shared.topology import Lane, repair
from tests.support.eventually import eventually
from tests.support.forwarder import Forwarder, FrameForwarder

pytestmark = [
    pytest.mark.timeout(180),
    # A process that ends takes along what its loops have opened in their last moment; here the collector finds it.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

Service = Callable[[ApiSettings], AbstractAsyncContextManager[Loops]]
Trouble = Callable[[Forwarder], None]

NEVER = 1_000_000
AT_ONCE = 6
"""Starts that run beside each other: each waits most of the time."""
WITHIN = 30.0

SERVICES: dict[str, Service] = {
    "api": api,
    "planner": lambda settings: planner(settings, Times(), workers=2, tick=0.5, retention=Retention()),
    "sender": lambda settings: sender(settings, FcmSettings(), Times(), lanes=tuple(Lane), batches=2, max_in_flight=10),
    "aggregator": lambda settings: aggregator(settings, size=10, age=0.1),
}


def goes_away(way: Forwarder) -> None:
    """Kill it, and start it again a moment later."""
    way.go_away()
    asyncio.get_running_loop().call_later(0.2, way.come_back)


def falls_silent(way: Forwarder) -> None:
    """Let it answer nobody, until its connections break."""
    way.hold()
    asyncio.get_running_loop().call_later(1.0, way.let_go)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a silent broker up soon, and try again at once."""
    monkeypatch.setattr(connection, "RECONNECT_INTERVAL", 0.05)
    monkeypatch.setattr(connection, "CLOSE_TIMEOUT", 0.3)
    monkeypatch.setattr(repair, "BREATH", 0.05)
    monkeypatch.setattr(repair, "TIMEOUT", 0.5)
    monkeypatch.setattr(publisher, "PUBLISH_TIMEOUT", 0.5)
    monkeypatch.setattr(consumer, "OPEN_TIMEOUT", 0.5)


@pytest.fixture(autouse=True)
def found_here() -> Iterator[None]:
    """Let the collector find it before the next test."""
    yield
    gc.collect()


@asynccontextmanager
async def started(service: Service, settings: ApiSettings) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Run the service's loops for as long as the block."""
    tasks: list[asyncio.Task[None]] = []
    try:
        async with service(settings) as loops:
            tasks += [asyncio.create_task(loop, name=name) for name, loop in loops.items()]
            yield tasks
    finally:
        await end(tasks)


async def start(service: Service, settings: ApiSettings, at: int, trouble: Trouble) -> int:
    """Start it, with the trouble at that frame, until it is ready; returns how many frames that took."""
    url = URL(settings.amqp_url.get_secret_value())
    way = FrameForwarder(free_port(), to=url.port or 0, at=at, then=trouble)
    settings = settings.model_copy(
        update={"amqp_url": SecretStr(str(url.with_port(way.port))), "http_port": free_port()}
    )
    await way.open()
    try:
        async with started(service, settings) as loops, httpx.AsyncClient(trust_env=False) as client:

            async def ready() -> bool:
                for loop in loops:
                    if loop.done():
                        loop.result()
                try:
                    answer = await client.get(f"http://{LOOPBACK}:{settings.http_port}/health/ready")
                except httpx.TransportError as error:
                    raise AssertionError(repr(error)) from error
                assert answer.status_code == 200, answer.text
                return True

            await eventually(ready, WITHIN)
            return way.frames
    finally:
        await way.close()


@pytest.mark.parametrize(
    ("name", "trouble"),
    [*((name, goes_away) for name in SERVICES), ("sender", falls_silent)],
    ids=[*SERVICES, "sender, silent"],
)
async def test_a_service_whose_broker_is_in_trouble_at_any_moment_of_its_start_waits_for_it(
    name: str, trouble: Trouble, database_url: str, amqp_url: str
) -> None:
    """No loop dies, nothing is raised, and it is ready when the broker is back."""
    settings = ApiSettings(
        database_url=SecretStr(database_url),
        amqp_url=SecretStr(amqp_url),
        operator_key=SecretStr("kT3-mVq9_xLw0ZbRe5"),
        http_host=LOOPBACK,
        start_timeout=WITHIN,
        drain_timeout=1,
    )
    service, few = SERVICES[name], asyncio.Semaphore(AT_ONCE)

    async def once(at: int) -> None:
        async with few, asyncio.timeout(2 * WITHIN):
            await start(service, settings, at, trouble)

    frames = range(1, 1 + await start(service, settings, NEVER, trouble))
    answers = await asyncio.gather(*map(once, frames), return_exceptions=True)
    assert {at: answer for at, answer in zip(frames, answers, strict=True) if answer is not None} == {}
