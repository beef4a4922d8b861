"""The services, built as their own `app` builds them, on what is in memory; loops and shutdown in the same order.

What stands beside the work and decides nothing is left out: probes, heartbeats, gauges, maintenance.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

from services.aggregator.consumer import WindowConsumer
from services.aggregator.merging import Merger
from services.planner.consumer import CommandHandler
from services.planner.planning import Planning
from services.planner.publishing import Publishing
from services.planner.timekeeper import Timekeeper
from services.sender.campaign_poller import CampaignPoller
from services.sender.consumer import BatchHandler
from services.sender.sending import Sending
from shared.amqp.dead_letters import DeadLetters
from shared.amqp.publisher import Publisher
from shared.amqp.subscription import Subscription
from shared.amqp.workers import WorkerPool
from shared.errors import DatabaseUnavailableError
from shared.lifecycle import Loops
from shared.outbox import Relay
from shared.topology import (
    AGGREGATOR_RESULTS,
    BATCHES,
    COMMANDS,
    DEAD,
    EVENTS,
    LANES,
    PLANNER_COMMANDS,
    RESULTS,
    RETRY,
)
from tests.chaos.simulation.boundary import Boundary, at_once
from tests.chaos.simulation.broker.client import Connection
from tests.chaos.simulation.broker.server import Broker
from tests.chaos.simulation.fcm import Fcm
from tests.chaos.simulation.gateway import SimulatedCredentials, SimulatedGateway
from tests.chaos.simulation.ledger import Ledger
from tests.chaos.simulation.outbox import OutboxDatabase, Rows

DRAIN = 10.0
"""Seconds that a process takes to end in order."""
TICK = 2.0
"""Seconds between a timekeeper's rounds."""


class Across:
    """A store of the ledger in memory, seen across a process's boundary: each call is one transaction.

    `witnesses` are told what calls of their name have come to, before anybody else is.
    """

    def __init__(self, store: object, boundary: Boundary, **witnesses: Callable[[Any], None]) -> None:
        self._store = store
        self._boundary = boundary
        self._witnesses = witnesses

    def __getattr__(self, name: str) -> Any:
        work = getattr(self._store, name)

        witness = self._witnesses.get(name)

        async def call(*args: Any, **options: Any) -> Any:
            def effect() -> Any:
                result = at_once(work(*args, **options))
                if witness is not None:
                    witness(result)
                return result

            return await self._boundary.call(f"ledger: {name}", effect, DatabaseUnavailableError)

        self.__dict__[name] = call
        return call


@dataclass(slots=True)
class Surroundings:
    """What every process finds when it starts."""

    ledger: Ledger
    rows: Rows
    broker: Broker
    fcm: Fcm
    rng: Random


@dataclass(slots=True)
class Running:
    """What the world may take hold of in a process: its connections to break."""

    connections: list[Connection] = field(default_factory=list)
    gateway: SimulatedGateway | None = None
    credentials: SimulatedCredentials | None = None
    ring: Callable[[], None] = lambda: None


def _connect(world: Surroundings, boundary: Boundary, running: Running, name: str) -> Any:
    connection = Connection(world.broker, boundary, name)
    running.connections.append(connection)
    return connection


def _relay(world: Surroundings, boundary: Boundary, publisher: Publisher, kind: Any) -> Relay:
    return Relay(cast("Any", OutboxDatabase(world.rows, boundary)), publisher, kind)


@asynccontextmanager
async def planner(world: Surroundings, boundary: Boundary, running: Running) -> AsyncGenerator[Loops]:
    """See `services.planner.app`."""
    publisher = Publisher(_connect(world, boundary, running, "publish"))
    consume = _connect(world, boundary, running, "consume")
    await publisher.open(BATCHES, RESULTS, DEAD, COMMANDS, EVENTS)
    commands = _relay(world, boundary, publisher, "command")
    events = _relay(world, boundary, publisher, "event")
    store = cast("Any", Across(world.ledger.planner, boundary))
    publishing = Publishing(store, publisher)

    def ring() -> None:
        commands.ring()
        events.ring()

    running.ring = ring
    planning = Planning(store, publishing, on_commit=ring)
    pool = WorkerPool(
        consume, PLANNER_COMMANDS.name, CommandHandler(planning), DeadLetters(publisher), workers=2, prefetch=4
    )
    timekeeper = Timekeeper(store, publishing, consume, tick=TICK, on_commit=ring)
    yield {
        "commands": pool.run(),
        "timekeeper": timekeeper.run(),
        "relay commands": commands.run(),
        "relay events": events.run(),
    }
    timekeeper.stop()
    await pool.stop(DRAIN)
    await commands.flush(DRAIN)
    await events.flush(DRAIN)


@asynccontextmanager
async def sender(world: Surroundings, boundary: Boundary, running: Running) -> AsyncGenerator[Loops]:
    """See `services.sender.app`."""
    publisher = Publisher(_connect(world, boundary, running, "publish"))
    consume = _connect(world, boundary, running, "consume")
    await publisher.open(RESULTS, RETRY, BATCHES, DEAD)
    store = cast("Any", Across(world.ledger.sender, boundary, claim=world.fcm.booked))
    poller = CampaignPoller(store)
    running.gateway = SimulatedGateway(boundary, world.fcm)
    running.credentials = SimulatedCredentials(boundary)
    sending = Sending(
        store,
        running.gateway,
        cast("Any", running.credentials),
        publisher,
        poller,
        holder=boundary.process.name,
        rng=world.rng,
    )
    dead = DeadLetters(publisher)
    pools = {
        lane: WorkerPool(consume, queue.name, BatchHandler(sending), dead, workers=3, prefetch=3)
        for lane, queue in LANES.items()
    }
    yield {**{f"lane {lane}": pool.run() for lane, pool in pools.items()}, "campaign poller": poller.run()}
    sending.drain()
    await asyncio.gather(*(pool.stop(DRAIN) for pool in pools.values()))


@asynccontextmanager
async def aggregator(world: Surroundings, boundary: Boundary, running: Running) -> AsyncGenerator[Loops]:
    """See `services.aggregator.app`."""
    publisher = Publisher(_connect(world, boundary, running, "publish"))
    consume = _connect(world, boundary, running, "consume")
    await publisher.open(DEAD, COMMANDS, EVENTS)
    commands = _relay(world, boundary, publisher, "command")
    events = _relay(world, boundary, publisher, "event")
    subscription = Subscription(consume, AGGREGATOR_RESULTS.name, prefetch=20)
    store = cast("Any", Across(world.ledger.aggregator, boundary))
    consumer = WindowConsumer(
        subscription, Merger(store, on_events=events.ring), DeadLetters(publisher), size=8, age=0.2
    )
    yield {"consumer": consumer.run(), "relay commands": commands.run(), "relay events": events.run()}
    await consumer.stop(DRAIN)
    await commands.flush(DRAIN)
    await events.flush(DRAIN)


BUILDERS = {"planner": planner, "sender": sender, "aggregator": aggregator}
