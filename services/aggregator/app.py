"""Builds the aggregator; its objects are constructed here and nowhere else."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from services.aggregator.consumer import WindowConsumer
from services.aggregator.merging import Merger
from services.aggregator.store import Store
from shared.amqp.connection import connected
from shared.amqp.dead_letters import DeadLetters
from shared.amqp.minority import Minority
from shared.amqp.nodes import Nodes
from shared.amqp.publisher import Publisher
from shared.amqp.subscription import Subscription
from shared.config import Settings
from shared.db import Database
from shared.heartbeat import Heartbeat
from shared.lifecycle import Loops
from shared.observability.listener import PROBE_DRAIN, Listener
from shared.observability.probes import broker_check, probes_app
from shared.outbox import Relay
from shared.topology import AGGREGATOR_RESULTS, COMMANDS, DEAD, EVENTS, fed_by
from shared.topology.repair import Repair

POOL = 4
"""Connections: one merges, one for each relay, one for the heartbeat and the probes."""
PREFETCH = 1000
"""Unacked results: a few windows, so that one fills while another commits."""


@asynccontextmanager
async def aggregator(settings: Settings, *, size: int, age: float) -> AsyncGenerator[Loops]:
    """Open everything; on exit finish the window in hand, then close in reverse."""
    async with AsyncExitStack() as stack:
        database = Database(settings.database_url.get_secret_value(), name="aggregator", pool=POOL)
        stack.push_async_callback(database.close)
        await database.wait(settings.start_timeout)
        nodes = Nodes.of(settings.amqp_url.get_secret_value())
        publishing = await stack.enter_async_context(
            connected(nodes, name="aggregator publish", timeout=settings.start_timeout)
        )
        consuming = await stack.enter_async_context(
            connected(nodes, name="aggregator consume", timeout=settings.start_timeout)
        )
        publisher = Publisher(publishing)
        commands = Relay(database, publisher, "command")
        events = Relay(database, publisher, "event")
        subscription = Subscription(consuming, AGGREGATOR_RESULTS.name, prefetch=PREFETCH)
        repair = Repair(
            publishing,
            publisher,
            exchanges=(DEAD, COMMANDS, EVENTS),
            queues=(AGGREGATOR_RESULTS, *fed_by(DEAD, COMMANDS)),
            consumers=(subscription,),
            every=settings.repair_every,
            patience=settings.repair_leaderless,
        )
        minority = Minority(nodes, (publishing, consuming), publisher, (subscription,))
        await repair.whole(settings.start_timeout)
        await publisher.open(DEAD, COMMANDS, EVENTS, within=settings.start_timeout)
        consumer = WindowConsumer(
            subscription,
            Merger(Store(database), on_events=events.ring),
            DeadLetters(publisher),
            size=size,
            age=age,
        )
        probes = Listener(
            probes_app(
                {
                    "database": database.check,
                    "consumer": broker_check(consumer),
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
        heartbeat = Heartbeat(
            database, "aggregator", in_flight=lambda: consumer.in_flight, done=lambda: consumer.handled
        )
        yield {
            "consumer": consumer.run(),
            "relay commands": commands.run(),
            "relay events": events.run(),
            "repair": repair.run(),
            "minority": minority.run(),
            "heartbeat": heartbeat.run(),
            "probes": probes.run(),
        }
        await consumer.stop(settings.drain_timeout)
        await commands.flush(settings.drain_timeout)
        await events.flush(settings.drain_timeout)
        await heartbeat.stop()
        await probes.drain()
