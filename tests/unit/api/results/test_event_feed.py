"""Streams of one process: who gets what, and how they end."""

from contextlib import ExitStack, nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from services.api.results import store
from services.api.results.event_feed import (
    BEHIND,
    Event,
    EventFeed,
    Stream,
)
from services.api.results.streaming import line, place_text, read_place
from shared.db import Database


def event(number: int, campaign_id: int = 7) -> Event:
    """An event of a campaign."""
    return Event((900 + number, campaign_id, number), "progressed", datetime(2026, 11, 22, tzinfo=UTC), {"총": number})


def tail(most: int = 10) -> EventFeed:
    """A tail that nobody runs."""
    return EventFeed(Database("postgresql://nobody@localhost/none", name="test", pool=1), most=most)


def taken(stream: Stream) -> list[Any]:
    """What waits in a stream."""
    return [stream.events.get_nowait() for _ in range(stream.events.qsize())]


def test_a_stream_that_does_not_keep_up_is_ended_behind_what_it_has() -> None:
    """Its client takes up again from there."""
    stream = Stream()
    for number in range(BEHIND + 100):
        stream.offer(event(number))
    found = taken(stream)
    assert len(found) == BEHIND + 1
    assert found[-1] is None
    assert found[-2].campaign_seq == BEHIND - 1


def test_a_stream_that_joins_later_takes_the_look_back_to_where_it_is() -> None:
    """Others see some events again, and skip them."""
    streams = tail()
    with streams.follow_campaign(7, 20):
        with streams.follow_campaign(7, 12):
            assert streams._campaigns[7].known == 12
        assert len(streams._campaigns[7].streams) == 1
    assert streams._campaigns == {}
    with streams.follow_all((9, 1, 1)), streams.follow_all((8, 5, 5)):
        assert streams._all is not None
        assert streams._all.known == (8, 5, 5)
    assert streams._all is None


async def test_a_stream_that_joins_while_a_page_is_read_misses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page was asked for behind what another stream has."""
    streams = tail()
    ledger = [event(number) for number in range(1, 6)]

    async def newest(_: object, ids: list[int]) -> dict[int, int]:
        return dict.fromkeys(ids, 5)

    with streams.follow_campaign(7, 3) as early, ExitStack() as joining:
        late: list[Stream] = []

        async def events_of(_tx: object, _id: int, *, after: int, limit: int) -> list[Any]:
            found = [_row(one) for one in ledger if one.campaign_seq > after][:limit]
            if not late:
                late.append(joining.enter_context(streams.follow_campaign(7, 1)))
            return found

        monkeypatch.setattr(store, "newest_events", newest)
        monkeypatch.setattr(store, "events_of", events_of)
        monkeypatch.setattr(streams._database, "read", nullcontext)
        await streams.look()
        assert [one.campaign_seq for one in taken(late[0])] == [2, 3, 4, 5]
        assert {4, 5} <= {one.campaign_seq for one in taken(early)}


def _row(one: Event) -> SimpleNamespace:
    tx, campaign_id, number = one.place
    return SimpleNamespace(tx=tx, campaign_id=campaign_id, campaign_seq=number, name=one.name, at=one.at, data=one.data)


def test_at_the_end_of_the_process_every_stream_ends() -> None:
    """Those that are opened afterwards too."""
    streams = tail()
    with streams.follow_campaign(7, 0) as one, streams.follow_all((0, 0, 0)) as every:
        streams.end()
        assert taken(one) == taken(every) == [None]
    with streams.follow_campaign(8, 0) as late:
        assert taken(late) == [None]


def test_seats_are_counted() -> None:
    """From the first byte of a stream to its last."""
    streams = tail(most=1)
    assert not streams.full
    with streams.seat():
        assert streams.full
    assert not streams.full


def test_an_event_is_one_block_of_lines() -> None:
    """Its text is readable: no escapes of Unicode."""
    assert line(event(3), "3").decode() == (
        "event: progressed\n"
        'data: {"campaign_id": 7, "campaign_seq": 3, "name": "progressed", "at": "2026-11-22T00:00:00+00:00", '
        '"data": {"총": 3}}\n'
        "id: 3\n\n"
    )


def test_a_place_is_read_as_it_was_written_and_nothing_else_is() -> None:
    """Whatever a client sends."""
    assert read_place(place_text((901, 7, 12))) == (901, 7, 12)
    for text in ("", "1", "1-2", "1-2-3-4", "a-b-c", "1-2-", "-1-2-3", "1-2-²", "1-2-" + "9" * 20):
        assert read_place(text) is None
