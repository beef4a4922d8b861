"""New events, polled once for all streams of this process.

While somebody streams, one task asks the ledger a few times a second for what has been committed since, and hands it
to the streams; one that does not keep up is ended, and its client takes up again where it was. Nothing is asked
otherwise. The broker's `push.events` carry the same events to others; the table is read here, since a stream that is
resumed must have no gap, and what a full queue has dropped would be one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.engine import Row

from services.api.results import store
from shared.db import Database, Reader
from shared.errors import UnavailableError

log = structlog.get_logger()

LOOK = 0.25
"""Seconds between polls: what an operator sees is at most that old."""
PAGE = 500
"""Events read at once."""
BEHIND = 1000
"""Events that a stream may be behind before it is ended."""

Place = tuple[int, int, int]
"""Where an event is among all campaigns' events: its transaction, campaign and number."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a campaign."""

    place: Place
    name: str
    at: datetime
    data: dict[str, Any]

    @property
    def campaign_id(self) -> int:
        """Whose it is."""
        return self.place[1]

    @property
    def campaign_seq(self) -> int:
        """Its number among the campaign's events."""
        return self.place[2]

    @classmethod
    def of(cls, row: Row[Any]) -> "Event":
        """Read the ledger's row."""
        return cls((row.tx, row.campaign_id, row.campaign_seq), row.name, row.at, row.data)


class Stream:
    """The events that one client has not been sent yet; None is the end."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Event | None] = asyncio.Queue(BEHIND + 1)

    def offer(self, event: Event) -> None:
        """Take an event; when the client is too far behind, end after what is here."""
        if self.events.qsize() < BEHIND:
            self.events.put_nowait(event)
        else:
            self.end()

    def end(self) -> None:
        """End behind what is here."""
        if not self.events.full():
            self.events.put_nowait(None)


@dataclass(slots=True)
class _Watched:
    """Streams of one campaign, or of all; `known` has been handed to them."""

    known: Any
    streams: set[Stream] = field(default_factory=set)

    def hand(self, event: Event) -> None:
        for stream in self.streams:
            stream.offer(event)


class EventFeed:
    """The streams of this process; `most` of them at once."""

    def __init__(self, database: Database, *, most: int) -> None:
        self._database = database
        self._most = most
        self._open = 0
        self._all: _Watched | None = None
        self._campaigns: dict[int, _Watched] = {}
        self._somebody = asyncio.Event()
        self._ended = False

    @property
    def full(self) -> bool:
        """Whether no other stream may be opened."""
        return self._open >= self._most

    @contextmanager
    def seat(self) -> Generator[None]:
        """Count one stream from its first byte to its last."""
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    @contextmanager
    def follow_campaign(self, campaign_id: int, since: int) -> Generator[Stream]:
        """Events of one campaign with a greater number than `since`; some of another stream's may come again."""
        watched = self._campaigns.setdefault(campaign_id, _Watched(since))
        watched.known = min(watched.known, since)
        with self._join(watched) as stream:
            try:
                yield stream
            finally:
                if watched.streams == {stream}:
                    del self._campaigns[campaign_id]

    @contextmanager
    def follow_all(self, since: Place) -> Generator[Stream]:
        """Events of all campaigns behind `since`; some before it may come again."""
        watched = self._all = self._all or _Watched(since)
        watched.known = min(watched.known, since)
        with self._join(watched) as stream:
            try:
                yield stream
            finally:
                if watched.streams == {stream}:
                    self._all = None

    @contextmanager
    def _join(self, watched: _Watched) -> Generator[Stream]:
        stream = Stream()
        if self._ended:
            stream.end()
        watched.streams.add(stream)
        self._somebody.set()
        try:
            yield stream
        finally:
            watched.streams.discard(stream)

    def end(self) -> None:
        """End every stream, and those to come: the process stops."""
        self._ended = True
        for watched in (*self._campaigns.values(), *([self._all] if self._all else [])):
            for stream in watched.streams:
                stream.end()

    async def run(self) -> None:
        """Poll until cancelled; what cannot be read now is read later."""
        while True:
            await self._somebody.wait()
            try:
                await self.look()
            except UnavailableError as error:
                log.warning("tail.waiting", error=str(error))
            await asyncio.sleep(LOOK)
            if self._all is None and not self._campaigns:
                self._somebody.clear()

    async def look(self) -> None:
        """Hand out what is new."""
        async with self._database.read() as tx:
            if self._all is not None:
                await self._look_at_all(tx, self._all)
            if self._campaigns:
                newest = await store.newest_events(tx, list(self._campaigns))
                for campaign_id, number in newest.items():
                    watched = self._campaigns.get(campaign_id)
                    if watched is not None and number > watched.known:
                        await self._look_at_campaign(tx, campaign_id, watched)

    async def _look_at_all(self, tx: Reader, watched: _Watched) -> None:
        await _hand_out(watched, lambda last: store.events(tx, after=last, limit=PAGE), lambda event: event.place)

    async def _look_at_campaign(self, tx: Reader, campaign_id: int, watched: _Watched) -> None:
        await _hand_out(
            watched,
            lambda last: store.events_of(tx, campaign_id, after=last, limit=PAGE),
            lambda event: event.campaign_seq,
        )


async def _hand_out(
    watched: _Watched, read: Callable[[Any], Awaitable[Sequence[Row[Any]]]], key: Callable[[Event], Any]
) -> None:
    """Hand out page by page what `read` finds behind `known`.

    A stream that joins while a page is read takes `known` back: the page would leave a gap for it, and is read again.
    """
    while True:
        after = watched.known
        rows = await read(after)
        if watched.known != after:
            continue
        if not rows:
            return
        for event in map(Event.of, rows):
            watched.known = key(event)
            watched.hand(event)
