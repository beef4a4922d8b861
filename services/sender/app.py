"""Builds the sender; its objects are constructed here and nowhere else."""

import asyncio
import os
import socket
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from services.sender.campaign_poller import CampaignPoller
from services.sender.consumer import BatchHandler
from services.sender.credentials import Credentials
from services.sender.gateways.fcm import FcmGateway, FcmOptions
from services.sender.gateways.transfer import TransferOptions
from services.sender.sending import Sending
from services.sender.store import Store
from shared.amqp.connection import connected
from shared.amqp.dead_letters import DeadLetters
from shared.amqp.minority import Minority
from shared.amqp.nodes import Nodes
from shared.amqp.publisher import Publisher
from shared.amqp.workers import WorkerPool
from shared.config import FcmSettings, Settings
from shared.db import Database
from shared.heartbeat import Heartbeat
from shared.ledger.times import Times
from shared.lifecycle import Loops
from shared.observability.listener import PROBE_DRAIN, Listener
from shared.observability.probes import broker_check, probes_app
from shared.topology import BATCHES, DEAD, LANES, RESULTS, RETRY, Lane, fed_by
from shared.topology.repair import Repair

log = structlog.get_logger()

POOL = 2
"""Connections of a sender: a claim and a release take 2 ms each for 50 ms of sending."""


@asynccontextmanager
async def sender(
    settings: Settings,
    fcm: FcmSettings,
    times: Times,
    *,
    lanes: Sequence[Lane],
    batches: int,
    max_in_flight: int,
) -> AsyncGenerator[Loops]:
    """Open everything; on exit stop feeding, wait for answers, report, ack, close in reverse."""
    async with AsyncExitStack() as stack:
        database = Database(settings.database_url.get_secret_value(), name="sender", pool=POOL)
        stack.push_async_callback(database.close)
        await database.wait(settings.start_timeout)
        credentials = Credentials(fcm.credentials_dir, fcm_url=fcm.url, ca_file=fcm.ca_file)
        stack.push_async_callback(credentials.close)
        transfer = TransferOptions(ca_file=fcm.ca_file)
        if times.margin <= transfer.timeout:
            log.warning(
                "sender.margin_is_short",
                margin=times.margin,
                request_timeout=transfer.timeout,
                meaning="a request may outlive its lease and be repeated; set CARILLON_LEDGER_MARGIN above the timeout",
            )
        gateway = FcmGateway(FcmOptions(max_in_flight=max_in_flight, transfer=transfer))
        stack.push_async_callback(gateway.close, settings.drain_timeout)
        nodes = Nodes.of(settings.amqp_url.get_secret_value())
        publish = await stack.enter_async_context(
            connected(nodes, name="sender publish", timeout=settings.start_timeout)
        )
        consume = await stack.enter_async_context(
            connected(nodes, name="sender consume", timeout=settings.start_timeout)
        )
        publisher = Publisher(publish)
        store = Store(database, times)
        poller = CampaignPoller(store)
        sending = Sending(
            store,
            gateway,
            credentials,
            publisher,
            poller,
            holder=f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}",
        )
        dead = DeadLetters(publisher)
        pools = {
            lane: WorkerPool(consume, LANES[lane].name, BatchHandler(sending), dead, workers=batches, prefetch=batches)
            for lane in lanes
        }
        repair = Repair(
            publish,
            publisher,
            exchanges=(RESULTS, RETRY, BATCHES, DEAD),
            queues=(*(LANES[lane] for lane in lanes), *fed_by(RESULTS, RETRY, DEAD)),
            consumers=[pool.subscription for pool in pools.values()],
            every=settings.repair_every,
            patience=settings.repair_leaderless,
        )
        minority = Minority(nodes, (publish, consume), publisher, [pool.subscription for pool in pools.values()])
        await repair.whole(settings.start_timeout)
        await publisher.open(RESULTS, RETRY, BATCHES, DEAD, within=settings.start_timeout)
        heartbeat = Heartbeat(
            database,
            "sender",
            in_flight=lambda: sum(pool.in_flight for pool in pools.values()),
            done=lambda: sum(pool.handled for pool in pools.values()),
        )

        async def notes() -> dict[str, str]:
            return {**await store.hindrances(), **await repair.notes()}

        probes = Listener(
            probes_app(
                {
                    "database": database.check,
                    **{f"lane {lane}": broker_check(pool) for lane, pool in pools.items()},
                    "topology": repair.check,
                    "node": minority.check,
                },
                notes,
            ),
            host=settings.http_host,
            port=settings.http_port,
            drain_timeout=PROBE_DRAIN,
        )
        stack.callback(probes.close)
        yield {
            **{f"lane {lane}": pool.run() for lane, pool in pools.items()},
            "campaign poller": poller.run(),
            "repair": repair.run(),
            "minority": minority.run(),
            "heartbeat": heartbeat.run(),
            "probes": probes.run(),
        }
        sending.drain()
        # All lanes at once: one that still consumes while another drains would only turn batches round.
        await asyncio.gather(*(pool.stop(settings.drain_timeout) for pool in pools.values()))
        await heartbeat.stop()
        await probes.drain()
