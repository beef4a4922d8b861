"""Builds the planner; its objects are constructed here and nowhere else."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from services.planner.consumer import CommandHandler
from services.planner.gauges import Gauges
from services.planner.maintenance import Maintenance
from services.planner.planning import Planning
from services.planner.publishing import Publishing
from services.planner.store import Store
from services.planner.timekeeper import Timekeeper
from shared.amqp.connection import connected
from shared.amqp.dead_letters import DeadLetters
from shared.amqp.minority import Minority
from shared.amqp.nodes import Nodes
from shared.amqp.publisher import Publisher
from shared.amqp.workers import WorkerPool
from shared.config import Settings
from shared.db import Database
from shared.heartbeat import Heartbeat
from shared.ledger.retention import Retention
from shared.ledger.times import Times
from shared.lifecycle import Loops
from shared.observability.listener import PROBE_DRAIN, Listener
from shared.observability.probes import broker_check, probes_app
from shared.outbox import Relay
from shared.topology import BATCHES, COMMANDS, DEAD, EVENTS, PLANNER_COMMANDS, RESULTS, fed_by
from shared.topology.repair import Repair


@asynccontextmanager
async def planner(
    settings: Settings, times: Times, *, workers: int, tick: float, retention: Retention
) -> AsyncGenerator[Loops]:
    """Open everything; on exit finish the steps in hand, flush the outbox, close in reverse."""
    async with AsyncExitStack() as stack:
        database = Database(settings.database_url.get_secret_value(), name="planner", pool=workers + 4)
        stack.push_async_callback(database.close)
        await database.wait(settings.start_timeout)
        nodes = Nodes.of(settings.amqp_url.get_secret_value())
        publish = await stack.enter_async_context(
            connected(nodes, name="planner publish", timeout=settings.start_timeout)
        )
        consume = await stack.enter_async_context(
            connected(nodes, name="planner consume", timeout=settings.start_timeout)
        )
        publisher = Publisher(publish)
        commands = Relay(database, publisher, "command")
        events = Relay(database, publisher, "event")
        store = Store(database, times)
        publishing = Publishing(store, publisher)

        def ring() -> None:
            commands.ring()
            events.ring()

        planning = Planning(store, publishing, on_commit=ring)
        pool = WorkerPool(
            consume,
            PLANNER_COMMANDS.name,
            CommandHandler(planning),
            DeadLetters(publisher),
            workers=workers,
            prefetch=workers * 2,
        )
        repair = Repair(
            publish,
            publisher,
            exchanges=(BATCHES, RESULTS, DEAD, COMMANDS, EVENTS),
            queues=fed_by(BATCHES, RESULTS, DEAD, COMMANDS),
            consumers=(pool.subscription,),
            every=settings.repair_every,
            patience=settings.repair_leaderless,
        )
        minority = Minority(nodes, (publish, consume), publisher, (pool.subscription,))
        await repair.whole(settings.start_timeout)
        await publisher.open(BATCHES, RESULTS, DEAD, COMMANDS, EVENTS, within=settings.start_timeout)
        timekeeper = Timekeeper(store, publishing, consume, tick=tick, on_commit=ring)
        minority.on_left = timekeeper.hurry
        heartbeat = Heartbeat(database, "planner", in_flight=lambda: pool.in_flight, done=lambda: pool.handled)
        maintenance = Maintenance(database, retention)
        probes = Listener(
            probes_app(
                {
                    "database": database.check,
                    "consumer": broker_check(pool),
                    "topology": repair.check,
                    "node": minority.check,
                },
                repair.notes,
            ),
            host=settings.http_host,
            port=settings.http_port,
            drain_timeout=PROBE_DRAIN,
        )
        stack.callback(probes.close)
        yield {
            "commands": pool.run(),
            "timekeeper": timekeeper.run(),
            "relay commands": commands.run(),
            "relay events": events.run(),
            "repair": repair.run(),
            "minority": minority.run(),
            "heartbeat": heartbeat.run(),
            "maintenance": maintenance.run(),
            "gauges": Gauges(database).run(),
            "probes": probes.run(),
        }
        timekeeper.stop()
        await pool.stop(settings.drain_timeout)
        await commands.flush(settings.drain_timeout)
        await events.flush(settings.drain_timeout)
        await heartbeat.stop()
        await probes.drain()
