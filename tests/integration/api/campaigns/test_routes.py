"""`/v1/campaigns` over the ledger and the broker."""

import asyncio
import time
from typing import Any

import aio_pika
import httpx
from sqlalchemy import text

from shared.db import Database
from shared.topology import PLANNER_COMMANDS
from tests.support.eventually import eventually

CAMPAIGN = {"title": "주말 특가", "body": "오늘까지 🎉", "priority": "high", "audience": {"kind": "all"}}
OUTBOX = text("select count(*) as n from outbox")


async def create(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    """Create a campaign."""
    answer = await client.post("/v1/campaigns", json={**CAMPAIGN, **changes})
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


async def act(client: httpx.AsyncClient, campaign_id: int, verb: str) -> httpx.Response:
    """Do something to a campaign."""
    return await client.post(f"/v1/campaigns/{campaign_id}/{verb}")


async def test_a_created_campaign_reads_as_it_was_written(client: httpx.AsyncClient) -> None:
    """A draft, at the address that Location names."""
    answer = await client.post("/v1/campaigns", json={**CAMPAIGN, "android": {"notification": {"tag": "t"}}})
    created = answer.json()
    assert created["status"] == "draft"
    assert created["android"] == {"notification": {"tag": "t"}}
    assert {name: created[name] for name in ("title", "body", "priority")} == {
        name: CAMPAIGN[name] for name in ("title", "body", "priority")
    }
    read = await client.get(answer.headers["Location"])
    assert read.json() == created


async def test_users_without_a_device_are_told_at_the_creation(client: httpx.AsyncClient) -> None:
    """They are no error: they may have a device by the time of the send."""
    line = '{"user_id":"known","platform":"ios","target":{"kind":"token","value":"t"}}'
    await client.post("/v1/devices/bulk", content=line, headers={"Content-Type": "application/x-ndjson"})
    users = {"kind": "users", "user_ids": ["ghost", "known", "ghost", "spirit"]}
    audience = (await create(client, audience=users))["audience"]
    assert audience["user_count"] == 3
    assert audience["unknown_users"] == {"count": 2, "sample": ["ghost", "spirit"]}


async def test_a_send_is_answered_at_once_and_its_command_reaches_the_planner(
    client: httpx.AsyncClient, amqp_url: str, database: Database
) -> None:
    """With the lane's queue in the answer, the command in the planner's queue, and nothing left in the outbox."""
    campaign = await create(client)
    began = time.perf_counter()
    answer = await act(client, campaign["id"], "send")
    assert time.perf_counter() - began < 1
    assert answer.status_code == 202
    sent = answer.json()
    assert (sent["id"], sent["status"], sent["priority"]) == (campaign["id"], "sending", "high")
    assert sent["queue"] == "sender.high"
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        queue = await channel.get_queue(PLANNER_COMMANDS.name)
        message = await eventually(lambda: queue.get(fail=False))
    assert message is not None
    assert message.type == "campaign.plan.v1"
    assert message.correlation_id == str(campaign["id"])

    async def relayed() -> bool:
        async with database.read() as tx:
            row = await tx.first(OUTBOX)
        return row is not None and row.n == 0

    await eventually(relayed)


async def test_a_second_send_is_refused_with_the_state_and_what_is_possible(client: httpx.AsyncClient) -> None:
    """And sends nothing."""
    campaign = await create(client)
    await act(client, campaign["id"], "send")
    answer = await act(client, campaign["id"], "send")
    assert answer.status_code == 409
    problem = answer.json()
    assert problem["type"] == "urn:carillon:problem:wrong-state"
    assert (problem["state"], problem["possible"]) == ("sending", ["pause", "cancel", "steer"])
    assert "is sending" in problem["detail"]


async def test_of_many_sends_at_once_one_is_accepted(client: httpx.AsyncClient, database: Database) -> None:
    """The others are refused, and one plan is started."""
    campaign = await create(client)
    answers = await asyncio.gather(*(act(client, campaign["id"], "send") for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 7
    async with database.read() as tx:
        events = await tx.all(text("select name from campaign_event where campaign_id = :id"), {"id": campaign["id"]})
    assert [event.name for event in events] == ["started"]


async def test_a_campaign_is_paused_resumed_and_cancelled(client: httpx.AsyncClient) -> None:
    """Each only from the states that allow it."""
    campaign_id = (await create(client))["id"]
    assert (await act(client, campaign_id, "pause")).status_code == 409
    await act(client, campaign_id, "send")
    assert (await act(client, campaign_id, "resume")).status_code == 409
    assert (await act(client, campaign_id, "pause")).json()["status"] == "paused"
    assert (await act(client, campaign_id, "resume")).json()["status"] == "sending"
    cancelled = await act(client, campaign_id, "cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (202, "cancelling")
    assert (await act(client, campaign_id, "cancel")).status_code == 409


async def test_a_draft_is_cancelled_for_good(client: httpx.AsyncClient) -> None:
    """It is over at once, balanced at zero."""
    campaign_id = (await create(client))["id"]
    assert (await act(client, campaign_id, "cancel")).json()["status"] == "cancelled"
    refused = await act(client, campaign_id, "send")
    assert refused.json()["possible"] == ["follow-up"]
    stats = (await client.get(f"/v1/campaigns/{campaign_id}/stats")).json()
    assert (stats["progress"], stats["balanced"], stats["total_recipients"]) == (100.0, True, 0)


async def test_what_does_not_exist_is_a_problem(client: httpx.AsyncClient) -> None:
    """For every route of a campaign."""
    answers = [await act(client, 4711, verb) for verb in ("send", "pause", "resume", "cancel")]
    answers += [await client.get("/v1/campaigns/4711"), await client.get("/v1/campaigns/4711/stats")]
    assert {answer.json()["type"] for answer in answers} == {"urn:carillon:problem:no-such-campaign"}
    assert {answer.status_code for answer in answers} == {404}


async def test_stats_are_the_ledgers_counters(client: httpx.AsyncClient, database: Database) -> None:
    """While a quarter of the registry is planned, three quarters of that are done, and two codes have failed."""
    campaign_id = (await create(client))["id"]
    await act(client, campaign_id, "send")
    async with database.write() as tx:
        await tx.run(
            text("""
                update campaign set total = 100, pending = 25, skipped = 1, cancelled = 2, expired = 3, dead = 4,
                       unknown = 5, rejected = 6, unregistered = 7, accepted = 47 where id = :id
            """),
            {"id": campaign_id},
        )
        await tx.run(
            text("update campaign_plan set cursor = 100, max_id = 400 where campaign_id = :id"), {"id": campaign_id}
        )
        await tx.run(
            text("insert into campaign_error values (:id, 'UNREGISTERED', 7, 'gone'), (:id, 'INVALID', 6, 'bad')"),
            {"id": campaign_id},
        )
    stats = (await client.get(f"/v1/campaigns/{campaign_id}/stats")).json()
    assert stats["campaign_id"] == campaign_id
    assert (stats["total_recipients"], stats["sent_count"]) == (100, 69)
    assert (stats["success_count"], stats["failure_count"]) == (47, 25)
    assert (stats["progress"], stats["planned_percent"]) == (18.7, 25.0)
    assert stats["outcomes"]["unknown"] == 5
    assert stats["balanced"] is True
    assert stats["started_at"] is not None
    assert (stats["planned_at"], stats["completed_at"]) == (None, None)
    assert [error["code"] for error in stats["errors"]] == ["UNREGISTERED", "INVALID"]


async def test_campaigns_are_listed_page_by_page(client: httpx.AsyncClient) -> None:
    """The newest first, each once; by status on request; those under way by themselves."""
    ids = [(await create(client))["id"] for _ in range(5)]
    await act(client, ids[1], "send")
    found: list[int] = []
    cursor: str | None = None
    while True:
        page = (await client.get("/v1/campaigns", params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        found += [item["campaign_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == ids[::-1]
    sending = (await client.get("/v1/campaigns", params={"status": "sending"})).json()
    active = (await client.get("/v1/campaigns/active")).json()
    assert [item["campaign_id"] for item in sending["items"]] == [ids[1]]
    assert [item["campaign_id"] for item in active["items"]] == [ids[1]]


async def test_every_answer_with_a_status_is_in_openapi(client: httpx.AsyncClient) -> None:
    """What the routes answered above is what they are said to answer."""
    schema = (await client.get("/openapi.json")).json()
    responses = schema["paths"]["/v1/campaigns/{campaign_id}/send"]["post"]["responses"]
    assert {"202", "401", "404", "409", "422", "500", "503"} <= responses.keys()
