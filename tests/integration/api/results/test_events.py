"""Server-sent events: complete, in order, resumable, bounded."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from services.api.app import api
from services.api.results import streaming
from services.api.settings import ApiSettings
from shared.ledger.events import record_event
from tests.integration.api.conftest import KEY
from tests.integration.api.results.conftest import Ended
from tests.integration.shared.ledger.stage import Stage
from tests.support.eventually import eventually

Event = dict[str, Any]


@asynccontextmanager
async def running(settings: ApiSettings) -> AsyncGenerator[httpx.AsyncClient]:
    """An API that stops at the end of the block, and a client that lives on."""
    url = f"http://{settings.http_host}:{settings.http_port}"
    client = httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, trust_env=False)
    async with api(settings) as loops:
        tasks = [asyncio.create_task(loop, name=name) for name, loop in loops.items()]
        yield client
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def stream(
    client: httpx.AsyncClient, url: str, after: str | None = None
) -> AsyncGenerator[AsyncGenerator[Event]]:
    """The events of a stream as they come; a comment comes as an event named `:`."""
    headers = {"Last-Event-ID": after} if after is not None else {}
    async with client.stream("GET", url, headers=headers, timeout=20) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield _events(answer)


async def _events(answer: httpx.Response) -> AsyncGenerator[Event]:
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line.startswith(":"):
            yield {"event": ":"}
        elif line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            yield {"id": fields["id"], "event": fields["event"], **json.loads(fields["data"])}
            fields = {}


async def take(events: AsyncGenerator[Event], count: int) -> list[Event]:
    """The next events of a stream."""
    return [await anext(events) for _ in range(count)]


async def happen(stage: Stage, campaign_id: int, name: str, number: int = 0) -> None:
    """Let something happen to a campaign."""
    async with stage.database.write() as tx:
        await record_event(tx, campaign_id, name, {"number": number})


async def test_a_campaigns_events_come_from_its_first_and_then_as_they_happen(
    client: httpx.AsyncClient, stage: Stage
) -> None:
    """The id is the campaign's own number of the event."""
    campaign_id = await stage.sending()
    other = await stage.sending()
    async with stream(client, f"/v1/campaigns/{campaign_id}/events") as events:
        (first,) = await take(events, 1)
        assert (first["id"], first["event"], first["campaign_id"]) == ("1", "started", campaign_id)
        for number in range(5):
            await happen(stage, other, "progressed")
            await happen(stage, campaign_id, "progressed", number)
        found = await take(events, 5)
    assert [event["id"] for event in found] == ["2", "3", "4", "5", "6"]
    assert [event["data"]["number"] for event in found] == [0, 1, 2, 3, 4]


async def test_a_stream_that_is_resumed_has_no_gap_and_no_repeat(client: httpx.AsyncClient, stage: Stage) -> None:
    """By header or by parameter."""
    campaign_id = await stage.sending()
    for number in range(4):
        await happen(stage, campaign_id, "progressed", number)
    url = f"/v1/campaigns/{campaign_id}/events"
    async with stream(client, url, after="3") as events:
        assert [event["id"] for event in await take(events, 2)] == ["4", "5"]
        await happen(stage, campaign_id, "paused")
        assert [event["id"] for event in await take(events, 1)] == ["6"]
    async with stream(client, f"{url}?after=5") as events:
        assert [event["id"] for event in await take(events, 1)] == ["6"]


async def test_a_stream_ends_with_its_campaign_and_who_comes_back_is_sent_away(
    client: httpx.AsyncClient, stage: Stage, ended: Ended
) -> None:
    """204 tells an EventSource to stay away."""
    await stage.devices(2)
    campaign_id = await ended("AA")
    url = f"/v1/campaigns/{campaign_id}/events"
    async with stream(client, url) as events:
        found = [event async for event in events]
    assert [event["event"] for event in found][-1] == "completed"
    again = await client.get(url, headers={"Last-Event-ID": found[-1]["id"]})
    assert again.status_code == 204


async def test_all_campaigns_events_come_in_an_order_that_can_be_resumed(
    client: httpx.AsyncClient, stage: Stage
) -> None:
    """From now on, or from behind the last one seen."""
    first, second = await stage.sending(), await stage.sending()
    async with stream(client, "/v1/events") as events:
        beginning = asyncio.create_task(anext(events))
        number = 0
        while not beginning.done():
            number += 1
            await happen(stage, first, "progressed", number)
            await asyncio.wait({beginning}, timeout=0.1)
        seen = [beginning.result()]
        await happen(stage, second, "paused")
        while seen[-1]["event"] != "paused":
            seen += await take(events, 1)
    async with stream(client, "/v1/events", after=seen[0]["id"]) as events:
        assert await take(events, len(seen) - 1) == seen[1:]
        await happen(stage, second, "resumed")
        assert (await take(events, 1))[0]["event"] == "resumed"


async def test_an_event_that_commits_late_is_not_skipped(client: httpx.AsyncClient, stage: Stage) -> None:
    """Its transaction began first; until it ends, what came after it is held back."""
    slow, quick = await stage.sending(), await stage.sending()
    async with stream(client, "/v1/events") as events:
        following = asyncio.create_task(take(events, 3))
        marker = 0
        while not marker:
            await happen(stage, quick, "progressed")
            await asyncio.wait({following}, timeout=0.1)
            marker = int(await stage.value("select count(*) from campaign_event where name = 'progressed'"))
        async with stage.database.write() as late:
            await record_event(late, slow, "late", {})
            await happen(stage, quick, "early")
        names = [event["event"] for event in await asyncio.wait_for(following, 10)]
        while "early" not in names:
            names += [event["event"] for event in await take(events, 1)]
    assert names.index("late") < names.index("early")


@pytest.mark.parametrize(
    ("url", "after"), [("/v1/events", "nonsense"), ("/v1/campaigns/{id}/events", "x"), ("/v1/events?after=1-2", None)]
)
async def test_an_id_that_is_none_is_refused(
    client: httpx.AsyncClient, stage: Stage, url: str, after: str | None
) -> None:
    """Rather than taken for the beginning."""
    campaign_id = await stage.sending()
    headers = {"Last-Event-ID": after} if after else {}
    answer = await client.get(url.format(id=campaign_id), headers=headers)
    assert answer.status_code == 422, answer.text


async def test_silence_is_filled_with_comments(
    client: httpx.AsyncClient, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that no proxy takes the stream for dead."""
    monkeypatch.setattr(streaming, "BEAT", 0.05)
    campaign_id = await stage.sending()
    async with stream(client, f"/v1/campaigns/{campaign_id}/events", after="1") as events:
        assert await take(events, 2) == [{"event": ":"}, {"event": ":"}]


async def test_a_stream_ends_after_its_longest_time(
    client: httpx.AsyncClient, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that was revoked does not read on for ever."""
    monkeypatch.setattr(streaming, "LONGEST", 0.0)
    campaign_id = await stage.sending()
    async with stream(client, f"/v1/campaigns/{campaign_id}/events") as events:
        assert [event["event"] async for event in events] == ["started"]


async def test_streams_are_bounded_and_a_place_is_free_again_when_one_ends(settings: ApiSettings, stage: Stage) -> None:
    """The next one is told to come later."""
    campaign_id = await stage.sending()
    async with running(settings.model_copy(update={"event_streams": 1})) as client, client:
        async with stream(client, f"/v1/campaigns/{campaign_id}/events") as events:
            await take(events, 1)
            refused = await client.get("/v1/events")
            assert (refused.status_code, refused.json()["type"]) == (503, "urn:carillon:problem:too-many-streams")
            assert "Retry-After" in refused.headers

        async def has_room() -> bool:
            return (await client.get("/v1/events", params={"after": "x"})).status_code == 422

        await eventually(has_room)


async def test_the_api_stops_while_streams_are_open(settings: ApiSettings, stage: Stage) -> None:
    """They end, and nobody waits for the drain's budget."""
    campaign_id = await stage.sending()
    opened = asyncio.Event()

    async def read(client: httpx.AsyncClient) -> list[str]:
        found = []
        async with stream(client, f"/v1/campaigns/{campaign_id}/events") as events:
            async for event in events:
                found.append(event["event"])
                opened.set()
        return found

    async with running(settings) as client:
        reading = asyncio.create_task(read(client))
        await opened.wait()
        began = time.monotonic()
    assert await reading == ["started"]
    assert time.monotonic() - began < settings.drain_timeout
    await client.aclose()


async def test_the_order_of_all_events_is_the_order_of_their_transactions(stage: Stage) -> None:
    """What the migration gave to events that were there before is one transaction."""
    campaign_id = await stage.sending()
    async with stage.database.write() as tx:
        await record_event(tx, campaign_id, "one", {})
        await record_event(tx, campaign_id, "two", {})
        rows = await tx.all(text("select distinct tx::text as tx from campaign_event where campaign_seq > 1"))
    assert len(rows) == 1
