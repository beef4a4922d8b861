"""Builds the API; its objects are constructed here and nowhere else."""

import asyncio
import gc
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from services.api import web
from services.api.access.keys import Keys
from services.api.access.limits import Limits
from services.api.access.roles import digest
from services.api.audiences.cleaning import Cleaning
from services.api.http.middleware import traffic
from services.api.resources import Resources
from services.api.results.event_feed import EventFeed
from services.api.settings import ApiSettings
from services.api.system.broker_view import BrokerView
from services.api.system.checks import broker_check, commands_check, draining_check
from services.api.system.dead_letter_desk import DeadLetterDesk
from shared.amqp.connection import connected
from shared.amqp.minority import Minority
from shared.amqp.nodes import Nodes
from shared.amqp.publisher import Publisher
from shared.db import Database
from shared.heartbeat import Heartbeat
from shared.lifecycle import Loops
from shared.observability.listener import Listener
from shared.outbox import Relay
from shared.topology import COMMANDS, DEAD_LETTERS, EVENTS, fed_by
from shared.topology.repair import Repair

log = structlog.get_logger()

POOL = 12
"""Connections: one for each relay, `import_writers` for imports, the rest for requests that answer in milliseconds."""
FLUSH = 1.0
"""Seconds that the outbox's flush has at least; what is left there, any other process relays."""


@asynccontextmanager
async def api(settings: ApiSettings) -> AsyncGenerator[Loops]:
    """Open everything, then listen; on exit turn red, finish the requests in hand, flush the outbox, close."""
    async with AsyncExitStack() as stack:
        # Imports hold connections for long; requests must find one free.
        database = Database(settings.database_url.get_secret_value(), name="api", pool=POOL)
        stack.push_async_callback(database.close)
        await database.wait(settings.start_timeout)
        nodes = Nodes.of(settings.amqp_url.get_secret_value())
        connection = await stack.enter_async_context(
            connected(nodes, name="api publish", timeout=settings.start_timeout)
        )
        # A connection of its own: an alarm of the broker blocks the one that publishes, and looking must go on.
        looking = await stack.enter_async_context(connected(nodes, name="api look", timeout=settings.start_timeout))
        publisher = Publisher(connection)
        repair = Repair(
            looking,
            publisher,
            exchanges=(COMMANDS, EVENTS),
            queues=fed_by(COMMANDS),
            every=settings.repair_every,
            patience=settings.repair_leaderless,
        )
        minority = Minority(nodes, (connection, looking), publisher, ask=DEAD_LETTERS.name)
        await repair.whole(settings.start_timeout)
        await publisher.open(COMMANDS, EVENTS, within=settings.start_timeout)
        keys = Keys(database, digest(settings.operator_key.get_secret_value()))
        commands = Relay(database, publisher, "command")
        events = Relay(database, publisher, "event")
        tail = EventFeed(database, most=settings.event_streams)
        draining = asyncio.Event()
        resources = Resources(
            database=database,
            commands=commands,
            events=events,
            import_gate=asyncio.Semaphore(settings.import_writers),
            checks={
                "process": draining_check(draining),
                "database": database.check,
                "broker": broker_check(connection),
                "topology": repair.check,
                "node": minority.check,
                "commands": commands_check(database),
            },
            rooms=(keys, Limits(settings.rate_limit), BrokerView(looking), DeadLetterDesk(looking, connection), tail),
            notes=repair.notes,
            ramp=settings.ledger_ramp,
            retry_patience=settings.ledger_retry,
            draining=draining,
        )
        heartbeat = Heartbeat(database, "api", in_flight=traffic.in_flight, done=traffic.done)
        listener = Listener(
            web.build(resources),
            host=settings.http_host,
            port=settings.http_port,
            drain_timeout=settings.drain_timeout,
        )
        stack.callback(listener.close)
        # What lives by now lives to the end: collections during an import need not look at it again.
        gc.freeze()
        log.info("http.listening", host=settings.http_host, port=listener.port)
        yield {
            "http": listener.run(),
            "relay commands": commands.run(),
            "relay events": events.run(),
            "keys": keys.run(),
            "cleaning": Cleaning(database).run(),
            "tail": tail.run(),
            "repair": repair.run(),
            "minority": minority.run(),
            "heartbeat": heartbeat.run(),
        }
        began = time.monotonic()
        draining.set()
        tail.end()
        await listener.drain()
        left = max(FLUSH, settings.drain_timeout - (time.monotonic() - began))
        await asyncio.gather(commands.flush(left), events.flush(left), keys.flush(), heartbeat.stop())
