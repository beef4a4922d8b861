"""Carillon in two lessons: a campaign from the registration of its devices to its ledger, and the events it tells."""

import json
from typing import Any

import aio_pika
import httpx
import pytest

from tests.flow.system import System
from tests.support.eventually import eventually

pytestmark = pytest.mark.timeout(60)

PHONES = [
    {"user_id": "mina", "platform": "android", "target": {"kind": "token", "value": "minas-phone"}},
    {"user_id": "mina", "platform": "web", "target": {"kind": "token", "value": "minas-browser"}},
    {"user_id": "jun", "platform": "ios", "target": {"kind": "token", "value": "juns-old-phone"}},
]
CAMPAIGN = {
    "title": "주말 특가",
    "body": "오늘 자정까지 전 상품 20% 할인 🎉",
    "priority": "high",
    "audience": {"kind": "users", "user_ids": ["mina", "jun"]},
    "data": {"screen": "sale"},
    "ttl_seconds": 3600,
}


async def test_a_campaign_from_its_devices_to_its_ledger(system: System) -> None:
    """Register, create, send, follow, and read what became of each device."""
    api = system.api

    # Devices come as lines of JSON, as many as you like in one request: each is a user's, and has a target at FCM.
    registered = await api.post("/v1/devices/bulk", content=lines(PHONES), headers=NDJSON)
    assert registered.json() == {"received": 3, "registered": 3, "rejected": 0, "errors": []}

    # A campaign is created as a draft. The answer is the campaign with its id.
    created = await api.post("/v1/campaigns", json=CAMPAIGN)
    assert created.status_code == 201
    campaign_id = created.json()["id"]
    assert created.json()["status"] == "draft"

    # Jun has deleted the app since: FCM will say so.
    await system.fcm.follow({"shares": {}, "tokens": {"juns-old-phone": "UNREGISTERED"}})

    # Sending is answered at once; the rest happens behind it, in the lane of the campaign's priority.
    sent = await api.post(f"/v1/campaigns/{campaign_id}/send")
    assert sent.status_code == 202
    assert sent.json()["queue"] == "sender.high"

    # Its statistics are one row of the ledger: ask for them as often as you like.
    async def completed() -> dict[str, Any] | None:
        stats: dict[str, Any] = (await api.get(f"/v1/campaigns/{campaign_id}/stats")).json()
        return stats if stats["status"] == "completed" else None

    stats = await eventually(completed, within=10)
    assert stats is not None
    assert (stats["total_recipients"], stats["success_count"], stats["failure_count"]) == (3, 2, 1)

    # Every device has one outcome, and together they are the audience, always: that is the seal.
    outcomes = {name: count for name, count in stats["outcomes"].items() if count}
    assert outcomes == {"accepted": 2, "unregistered": 1}
    assert stats["balanced"] is True

    # What failed is told by FCM's code, with one of its answers.
    assert [(failure["code"], failure["count"]) for failure in stats["errors"]] == [("UNREGISTERED", 1)]

    # FCM saw each device once; Jun's dead token is inactive now, and the next campaign leaves it out.
    assert (await system.fcm.summary(label=f"carillon-{campaign_id}"))["requests"] == 3
    again = (await api.post("/v1/campaigns", json=CAMPAIGN)).json()["id"]
    await eventually(lambda: inactive(system, "juns-old-phone"))
    await api.post(f"/v1/campaigns/{again}/send")
    assert (await system.ended(again))["total_recipients"] == 2


async def test_whoever_wants_to_know_binds_a_queue_to_the_events(system: System) -> None:
    """Each campaign's events are numbered without gaps, so that a subscriber sees what it has missed."""
    async with await aio_pika.connect(system.stack.amqp_url) as connection, connection.channel() as channel:
        # A queue of your own on the public exchange; `campaign.completed` alone would bring only ends.
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind("push.events", "campaign.*")

        campaign_id = await system.send(await system.audience(2000), rate=1000)
        await system.ended(campaign_id)

        events: list[dict[str, Any]] = []

        async def completed() -> bool:
            message = await queue.get(no_ack=True, fail=False)
            # Other campaigns' events come here too; the correlation id tells them apart.
            if message is not None and message.correlation_id == str(campaign_id):
                events.append(json.loads(message.body))
            return bool(events) and events[-1]["name"] == "completed"

        await eventually(completed, within=10)

    assert [event["campaign_seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["name"] == "started"
    assert {event["name"] for event in events[1:-1]} == {"progressed"}
    assert events[-1]["data"]["outcomes"]["accepted"] == events[-1]["data"]["total"] == 2000


async def test_a_campaign_can_be_called_off(system: System) -> None:
    """What FCM has accepted cannot be taken back; all else is cancelled, and the ledger balances still."""
    campaign_id = await system.send(await system.audience(3000), rate=300)
    await system.accepted(campaign_id, at_least=100)
    answer = await system.api.post(f"/v1/campaigns/{campaign_id}/cancel")
    assert answer.status_code == httpx.codes.ACCEPTED
    stats = await system.ended(campaign_id)
    assert stats["status"] == "cancelled"
    assert stats["outcomes"]["accepted"] >= 100
    assert stats["outcomes"]["accepted"] + stats["outcomes"]["cancelled"] + stats["not_planned"] == 3000
    assert stats["balanced"] is True


NDJSON = {"Content-Type": "application/x-ndjson"}


def lines(devices: list[dict[str, Any]]) -> bytes:
    """A device a line."""
    return b"".join(json.dumps(device).encode() + b"\n" for device in devices)


async def inactive(system: System, token: str) -> bool:
    """Whether the registry has taken the token out of use."""
    return bool(await system.value("select not active from device where target = $1", token))
