"""One stream of server-sent events: what was, then what comes, until the end, the limit or the shutdown."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, aclosing
from typing import Any, TypeVar

import structlog
from fastapi.sse import EventSourceResponse, format_sse_event
from sqlalchemy.engine import Row
from starlette.types import Receive, Scope, Send

from services.api.results import store
from services.api.results.event_feed import (
    PAGE,
    Event,
    EventFeed,
    Place,
    Stream,
)
from shared.db import Database
from shared.errors import UnavailableError
from shared.ledger.states import ENDED

log = structlog.get_logger()

BEAT = 15.0
"""Seconds of silence after which a comment is sent: proxies cut what is silent for longer."""
LONGEST = 900.0
"""Seconds after which a stream ends and the client takes it up again: a revoked key must not read on for ever."""
RETRY = b"retry: 2000\n\n"
"""Milliseconds until a client that was cut off comes back."""
BEAT_LINE = b": beat\n\n"

Key = TypeVar("Key", int, Place)


class EventStream(EventSourceResponse):
    """`text/event-stream` of a generator that is closed with the connection, not when it is collected."""

    def __init__(self, lines: AsyncGenerator[bytes]) -> None:
        super().__init__(lines, headers={"X-Accel-Buffering": "no"})
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._lines.aclose()


async def campaign_stream(database: Database, tail: EventFeed, campaign_id: int, after: int) -> AsyncGenerator[bytes]:
    """A campaign's events behind number `after`; ends behind the one that ends the campaign."""

    async def read(last: int) -> Sequence[Row[Any]]:
        async with database.read() as tx:
            return await store.events_of(tx, campaign_id, after=last, limit=PAGE)

    def join(last: int) -> AbstractContextManager[Stream]:
        return tail.follow_campaign(campaign_id, last)

    with tail.seat():
        yield RETRY
        async with aclosing(_events(read, join, lambda event: event.campaign_seq, after)) as events:
            async for event in events:
                yield BEAT_LINE if event is None else line(event, str(event.campaign_seq))
                if event is not None and event.name in ENDED:
                    return


async def whole_stream(database: Database, tail: EventFeed, after: Place) -> AsyncGenerator[bytes]:
    """All campaigns' events behind a place."""

    async def read(last: Place) -> Sequence[Row[Any]]:
        async with database.read() as tx:
            return await store.events(tx, after=last, limit=PAGE)

    with tail.seat():
        yield RETRY
        async with aclosing(_events(read, tail.follow_all, lambda event: event.place, after)) as events:
            async for event in events:
                yield BEAT_LINE if event is None else line(event, place_text(event.place))


async def _events(
    read: Callable[[Key], Awaitable[Sequence[Row[Any]]]],
    join: Callable[[Key], AbstractContextManager[Stream]],
    key: Callable[[Event], Key],
    last: Key,
) -> AsyncGenerator[Event | None]:
    """What was, then what comes, each once, and None for a beat; ends early when the ledger is away."""
    rows: Sequence[Row[Any]] | None = None
    while rows is None or len(rows) == PAGE:
        try:
            rows = await read(last)
        except UnavailableError as error:
            # The client comes back for the rest; an answer that has begun can tell nothing else.
            log.warning("stream.ended", error=str(error))
            return
        for event in map(Event.of, rows):
            last = key(event)
            yield event
    async with aclosing(_follow(lambda: join(last), key, last)) as following:
        async for item in following:
            yield item


async def _follow(
    join: Callable[[], AbstractContextManager[Stream]], key: Callable[[Event], Key], last: Key
) -> AsyncGenerator[Event | None]:
    """New events, each once, and None for a beat; ends with the stream or after `LONGEST`."""
    until = asyncio.get_running_loop().time() + LONGEST
    with join() as stream:
        while asyncio.get_running_loop().time() < until:
            try:
                async with asyncio.timeout(BEAT):
                    event = await stream.events.get()
            except TimeoutError:
                yield None
                continue
            if event is None:
                return
            if key(event) > last:
                last = key(event)
                yield event


def line(event: Event, id_: str) -> bytes:
    """An event as it is sent: its place, its name, its data on one line."""
    data = {
        "campaign_id": event.campaign_id,
        "campaign_seq": event.campaign_seq,
        "name": event.name,
        "at": event.at.isoformat(),
        "data": event.data,
    }
    return format_sse_event(id=id_, event=event.name, data_str=json.dumps(data, ensure_ascii=False))


def place_text(place: Place) -> str:
    """A place as an event's id.

    >>> read_place(place_text((901, 7, 12)))
    (901, 7, 12)
    """
    return "-".join(map(str, place))


def read_place(text: str) -> Place | None:
    """The place of an id; None when it is none."""
    parts = text.split("-")
    if len(parts) != 3 or not all(part.isascii() and part.isdecimal() and len(part) <= 19 for part in parts):  # noqa: PLR2004 - as written above
        return None
    first, second, third = (min(int(part), 2**63 - 1) for part in parts)
    return (first, second, third)
