"""Schedules, follow-ups, tests and dry runs."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import text

from shared.db import Database
from tests.integration.api.campaigns.conftest import Create, set_status


async def test_a_campaign_is_scheduled_in_its_zone_moved_and_unscheduled(
    client: httpx.AsyncClient, create: Create
) -> None:
    """The instant is kept, and the zone for people."""
    draft = await create()
    at = (datetime.now(UTC) + timedelta(days=3)).replace(hour=3, minute=0, second=0, microsecond=0)
    local = (at + timedelta(hours=9)).replace(tzinfo=None).isoformat()
    url = f"/v1/campaigns/{draft['id']}/schedule"
    answer = await client.post(url, json={"at": local, "time_zone": "Asia/Seoul"})
    assert answer.status_code == 200, answer.text
    scheduled = answer.json()
    assert (scheduled["status"], scheduled["time_zone"]) == ("scheduled", "Asia/Seoul")
    assert datetime.fromisoformat(scheduled["scheduled_at"]) == at
    moved = (await client.post(url, json={"at": (at + timedelta(hours=1)).isoformat()})).json()
    assert datetime.fromisoformat(moved["scheduled_at"]) == at + timedelta(hours=1)
    plain = (await client.delete(url)).json()
    assert (plain["status"], plain["scheduled_at"], plain["time_zone"]) == ("draft", None, None)
    assert (await client.delete(url)).status_code == 409


async def test_what_is_under_way_cannot_be_scheduled(client: httpx.AsyncClient, create: Create) -> None:
    """Nor what is past."""
    sent = await create(send=True)
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert (await client.post(f"/v1/campaigns/{sent['id']}/schedule", json={"at": soon})).status_code == 409
    draft = await create()
    past = await client.post(f"/v1/campaigns/{draft['id']}/schedule", json={"at": "2020-01-01T00:00:00Z"})
    assert past.status_code == 422
    assert past.json()["errors"][0]["pointer"] == "/at"


async def test_a_follow_up_is_a_draft_over_the_outcomes_of_what_has_ended(
    client: httpx.AsyncClient, create: Create, database: Database
) -> None:
    """While it is sending it is refused."""
    campaign = await create(send=True)
    url = f"/v1/campaigns/{campaign['id']}/follow-up"
    wanted = {"outcomes": ["dead", "unknown"], "changes": {"title": "again", "rate": 10}}
    early = await client.post(url, json=wanted)
    assert (early.status_code, early.json()["state"]) == (409, "sending")
    await set_status(database, campaign["id"], "completed")
    answer = await client.post(url, json=wanted)
    assert answer.status_code == 201, answer.text
    draft = answer.json()
    assert (draft["title"], draft["rate"], draft["parent_id"]) == ("again", 10, campaign["id"])
    assert draft["audience"]["campaign_id"] == campaign["id"]
    assert draft["audience"]["outcomes"] == ["dead", "unknown"]
    assert (await client.post(f"/v1/campaigns/{draft['id']}/send")).status_code == 202


async def test_a_test_goes_to_one_user_or_device_on_the_high_lane(
    client: httpx.AsyncClient, create: Create, devices: list[str], database: Database
) -> None:
    """A campaign of its own, sent in the same step."""
    draft = await create(priority="low", rate=1)
    answer = await client.post(f"/v1/campaigns/{draft['id']}/test", json={"user_id": devices[1]})
    assert answer.status_code == 202, answer.text
    assert (answer.json()["status"], answer.json()["priority"]) == ("sending", "high")
    tried = (await client.get(answer.headers["Location"])).json()
    assert (tried["kind"], tried["parent_id"], tried["rate"]) == ("test", draft["id"], None)
    assert tried["audience"]["user_count"] == 1
    async with database.read() as tx:
        row = await tx.first(text("select content ->> 'priority' as priority from campaign where kind = 'test'"))
    assert row is not None
    assert row.priority == "low", "the message is sent as it would be"
    device = await client.post(f"/v1/campaigns/{draft['id']}/test", json={"device_id": 1})
    assert device.status_code == 202, device.text
    assert (await client.get(f"/v1/campaigns/{draft['id']}")).json()["status"] == "draft"


@pytest.mark.parametrize("whom", [{"user_id": "ghost"}, {"device_id": 4711}, {}, {"user_id": "a", "device_id": 1}])
async def test_a_test_for_nobody_is_refused(client: httpx.AsyncClient, create: Create, whom: dict[str, object]) -> None:
    """Rather than completed at once with nothing to see."""
    draft = await create()
    answer = await client.post(f"/v1/campaigns/{draft['id']}/test", json=whom)
    assert answer.status_code == 422, answer.text


async def test_a_dry_run_takes_a_sample_of_the_audience(
    client: httpx.AsyncClient, create: Create, devices: list[str], database: Database
) -> None:
    """As many as asked for, or all there are; one attempt each."""
    everyone = await create()
    some = await create(audience={"kind": "users", "user_ids": devices[:2]})
    for campaign, body, expected in ((everyone, {"sample": 4}, 4), (everyone, None, 10), (some, None, 2)):
        answer = await client.post(f"/v1/campaigns/{campaign['id']}/dry-run", json=body)
        assert answer.status_code == 202, answer.text
        tried = (await client.get(answer.headers["Location"])).json()
        assert (tried["kind"], tried["audience"]["device_count"], tried["max_attempts"]) == ("dry_run", expected, 1)


async def test_a_dry_run_of_nobody_is_sent_to_nobody(client: httpx.AsyncClient, create: Create) -> None:
    """The planner completes it at once."""
    answer = await client.post(f"/v1/campaigns/{(await create())['id']}/dry-run")
    assert answer.status_code == 202, answer.text
    tried = (await client.get(answer.headers["Location"])).json()
    assert tried["audience"]["device_count"] == 0
