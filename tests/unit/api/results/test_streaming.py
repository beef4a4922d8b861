"""Streams and exports whose ledger goes away, or whose process stops, while they run."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from starlette.types import Message

from services.api.resources import Resources
from services.api.results.event_feed import EventFeed
from services.api.results.export import HEADER, CutShortError, _lines
from services.api.results.streaming import RETRY, EventStream, campaign_stream, whole_stream
from shared.db import Database, Reader
from shared.errors import DatabaseUnavailableError
from tests.unit.api.test_web import AwayDatabase, database, resources

__all__ = ["database", "resources"]


async def all_of(lines: AsyncGenerator[bytes]) -> list[bytes]:
    """Everything that a stream sends."""
    return [line async for line in lines]


async def test_a_stream_whose_ledger_goes_away_ends_and_its_client_comes_back(database: AwayDatabase) -> None:
    """Its answer has begun and can tell nothing else; its seat is free again."""
    tail = EventFeed(database, most=1)
    assert await all_of(campaign_stream(database, tail, 7, 0)) == [RETRY]
    assert await all_of(whole_stream(database, tail, (1, 2, 3))) == [RETRY]
    assert not tail.full


async def test_a_stream_is_closed_with_its_connection_while_events_wait(database: AwayDatabase) -> None:
    """Not when it is collected: until then its seat would be taken by nobody."""
    tail = EventFeed(database, most=1)
    left = asyncio.Event()

    async def lines() -> AsyncGenerator[bytes]:
        with tail.seat():
            while True:
                yield RETRY

    async def receive() -> Message:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        left.set()
        await asyncio.Event().wait()

    held = lines()  # so that nothing collects it
    await EventStream(held)({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send)
    assert not tail.full


async def test_an_export_that_cannot_go_on_is_cut_short(resources: Resources) -> None:
    """Rather than ended as if it were whole."""
    lines = _lines(resources, 7, lines="csv", letters=None)
    assert await anext(lines) == HEADER
    with pytest.raises(CutShortError, match="PostgreSQL"):
        await anext(lines)


async def test_an_export_does_not_hold_up_a_shutdown(resources: Resources) -> None:
    """It is cut short before its next look at the ledger."""
    resources.draining.set()
    with pytest.raises(CutShortError, match="shutting down"):
        await anext(_lines(resources, 7, lines="ndjson", letters=None))


class Failing(Database):
    """PostgreSQL that is away once, and then is asked no more."""

    def __init__(self, asked: asyncio.Event) -> None:
        super().__init__("postgresql://nobody@localhost/none", name="test", pool=1)
        self._asked = asked

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Reader]:
        """Fail."""
        self._asked.set()
        raise DatabaseUnavailableError("connection refused")
        yield


async def test_the_tail_goes_on_looking_when_the_ledger_was_away() -> None:
    """Streams that are open stay open."""
    asked = asyncio.Event()
    tail = EventFeed(Failing(asked), most=1)
    running = asyncio.create_task(tail.run())
    try:
        with tail.follow_campaign(7, 0) as stream:
            await asked.wait()
            assert stream.events.empty()
            assert not running.done()
    finally:
        running.cancel()
