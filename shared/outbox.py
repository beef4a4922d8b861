"""The outbox: a message that must follow a state change is a row of the same transaction; a relay publishes it.

Two relays, so that no subscriber can delay a command: `command` rows are published as mandatory, `event` rows are not
(there may be no subscriber). Any number of processes may relay: rows are taken with SKIP LOCKED and deleted after the
confirm, so a crash between the two publishes again and receivers are idempotent.
"""

import asyncio
from typing import Literal

import structlog
from sqlalchemy import text

from shared.amqp.publisher import Publisher, carried
from shared.contracts.messages import CampaignEvent, Payload, ProjectEvent
from shared.db import Database, Reader, Writer
from shared.errors import UnavailableError
from shared.observability import metrics, traces
from shared.request_id import current_request_id
from shared.topology import COMMANDS, EVENTS

log = structlog.get_logger()

Kind = Literal["command", "event"]

BATCH = 200
"""Rows published together: their confirms pipeline on one channel; the transaction stays well under a second."""
POLL = 1.0
"""Seconds between polls when `ring` is not called: only rows of a process that died wait that long."""

ADD = text("""
    insert into outbox (kind, exchange, routing_key, type, correlation, body, request_id, traceparent)
    values (:kind, :exchange, :routing_key, :type, :correlation, :body, :request_id, :traceparent)
""")
TAKE = text("""
    select id, exchange, routing_key, type, correlation, body, request_id, traceparent,
           extract(epoch from clock_timestamp() - created_at)::float8 as age
      from outbox where kind = :kind order by id limit :limit for update skip locked
""")
DONE = text("delete from outbox where id = any(cast(:ids as bigint[]))")


async def add_command(tx: Writer, payload: Payload, *, delayed: bool = False) -> None:
    """Queue a command for the planner, at once or after the delay queue's wait."""
    verb = payload.type.split(".")[1]
    key = f"delayed.{verb}" if delayed else f"campaign.{verb}"
    await _add(tx, "command", COMMANDS, key, payload, correlation=str(payload.campaign_id))


async def add_event(tx: Writer, event: CampaignEvent) -> None:
    """Queue an event for whoever has bound a queue."""
    await _add(tx, "event", EVENTS, f"campaign.{event.name}", event, correlation=str(event.campaign_id))


async def add_project_event(tx: Writer, event: ProjectEvent) -> None:
    """The same for an event about a project."""
    await _add(tx, "event", EVENTS, f"project.{event.name}", event, correlation=event.project)


async def _add(
    tx: Writer, kind: Kind, exchange: str, routing_key: str, payload: Payload | ProjectEvent, *, correlation: str
) -> None:
    await tx.run(
        ADD,
        {
            "kind": kind,
            "exchange": exchange,
            "routing_key": routing_key,
            "type": payload.type,
            "correlation": correlation,
            "body": payload.model_dump_json(exclude_defaults=True),
            "request_id": current_request_id(),
            "traceparent": traces.current(),
        },
    )


COMMANDS_WAIT = text("""
    select extract(epoch from clock_timestamp() - min(created_at))::float8 as seconds
      from (select created_at from outbox where kind = 'command' order by id limit 1) as oldest
""")


class Relay:
    """Publishes the rows of one kind as they are committed; `ring()` after a commit makes it poll at once."""

    def __init__(self, database: Database, publisher: Publisher, kind: Kind) -> None:
        self._database = database
        self._publisher = publisher
        self._kind: Kind = kind
        self._bell = asyncio.Event()

    def ring(self) -> None:
        """Say that a row was committed."""
        self._bell.set()

    async def run(self) -> None:
        """Relay until cancelled; retries after a failure."""
        while True:
            try:
                full = await self.relay_once() == BATCH
            except UnavailableError as error:
                log.warning("outbox.waiting", kind=self._kind, error=str(error))
                full = False
            if full:
                continue
            try:
                async with asyncio.timeout(POLL):
                    await self._bell.wait()
            except TimeoutError:
                pass
            self._bell.clear()

    async def flush(self, budget: float) -> None:
        """Relay what is there now, within `budget` seconds; the rest waits for another process."""
        try:
            async with asyncio.timeout(budget):
                while await self.relay_once() == BATCH:
                    pass
        except (TimeoutError, UnavailableError) as error:
            log.warning("outbox.flush_unfinished", kind=self._kind, error=str(error))

    async def relay_once(self) -> int:
        """Publish up to `BATCH` rows, and delete those that were confirmed; returns how many were taken."""
        async with self._database.write() as tx:
            rows = await tx.all(TAKE, {"kind": self._kind, "limit": BATCH})
            metrics.OUTBOX_LAG.labels(self._kind).set(rows[0].age if rows else 0)
            if not rows:
                return 0
            answers = await asyncio.gather(
                *(
                    self._publisher.publish_raw(
                        row.body.encode(),
                        row.exchange,
                        row.routing_key,
                        kind=row.type,
                        correlation=row.correlation,
                        headers=carried(row.request_id, row.traceparent),
                        mandatory=self._kind == "command",
                    )
                    for row in rows
                ),
                return_exceptions=True,
            )
            confirmed = [row.id for row, answer in zip(rows, answers, strict=True) if answer is None]
            await tx.run(DONE, {"ids": confirmed})
        metrics.OUTBOX_PUBLISHED.labels(self._kind).inc(len(confirmed))
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return len(rows)


async def commands_wait(tx: Reader) -> float:
    """Seconds that the oldest command has waited for the broker; 0 when none does."""
    row = await tx.first(COMMANDS_WAIT)
    return 0.0 if row is None or row.seconds is None else float(row.seconds)
