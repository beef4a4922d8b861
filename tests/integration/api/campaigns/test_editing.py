"""Patching, deleting, cloning and listing campaigns."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from shared.db import Database
from tests.integration.api.campaigns.conftest import Create, set_status


async def patch(client: httpx.AsyncClient, campaign_id: int, change: dict[str, Any], tag: str = "*") -> httpx.Response:
    """Change a campaign as it was seen."""
    return await client.patch(f"/v1/campaigns/{campaign_id}", json=change, headers={"If-Match": tag})


async def test_a_draft_is_changed_by_a_merge_patch(client: httpx.AsyncClient, create: Create) -> None:
    """What is given replaces, null goes back to the default, the rest stays."""
    draft = await create(data={"screen": "sale", "old": "1"}, ttl_seconds=60, rate=5)
    change = {"title": "새 제목", "data": {"old": None, "new": "2"}, "rate": None, "audience": {"kind": "all"}}
    answer = await patch(client, draft["id"], change)
    assert answer.status_code == 200, answer.text
    changed = answer.json()
    assert (changed["title"], changed["body"], changed["rate"]) == ("새 제목", draft["body"], None)
    assert changed["data"] == {"screen": "sale", "new": "2"}
    assert changed["ttl_seconds"] == 60
    assert changed["revision"] == 1
    assert (await client.get(f"/v1/campaigns/{draft['id']}")).json() == changed


async def test_of_two_who_saw_the_same_version_one_changes_it(client: httpx.AsyncClient, create: Create) -> None:
    """The other is told to read it again; so is who names no version."""
    draft = await create()
    seen = (await client.get(f"/v1/campaigns/{draft['id']}")).headers["ETag"]
    first = await patch(client, draft["id"], {"title": "one"}, seen)
    second = await patch(client, draft["id"], {"title": "two"}, seen)
    assert (first.status_code, second.status_code) == (200, 412)
    assert first.headers["ETag"] != seen
    assert (await client.patch(f"/v1/campaigns/{draft['id']}", json={"title": "three"})).status_code == 428


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"title": None}, "/title"),
        ({"colour": "red"}, "/colour"),
        ({"data": {"from": "x"}}, "/data/from"),
        ({"audience": {"kind": "follow_up", "campaign_id": 4711, "outcomes": ["dead"]}}, "/audience/campaign_id"),
    ],
)
async def test_a_patch_that_could_not_have_been_created_is_refused(
    client: httpx.AsyncClient, create: Create, change: dict[str, Any], where: str
) -> None:
    """By the place in the campaign, and nothing is changed."""
    draft = await create()
    answer = await patch(client, draft["id"], change)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == where
    assert (await client.get(f"/v1/campaigns/{draft['id']}")).json()["revision"] == 0


async def test_while_it_is_sending_only_its_course_changes(
    client: httpx.AsyncClient, create: Create, database: Database
) -> None:
    """Rate and priority; anything else names the state."""
    campaign = await create(send=True)
    refused = await patch(client, campaign["id"], {"title": "late"})
    assert refused.status_code == 409
    assert refused.json()["state"] == "sending"
    answer = await patch(client, campaign["id"], {"rate": 50, "priority": "high"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["rate"], answer.json()["priority"], answer.json()["title"]) == (50, "high", campaign["title"])
    async with database.read() as tx:
        row = await tx.first(text("select rate, priority, steered, revision from campaign"))
        events = [event.name for event in await tx.all(text("select name from campaign_event order by campaign_seq"))]
    assert row is not None
    assert tuple(row) == (50.0, "high", 1, 1)
    assert events == ["started", "steered"]
    await set_status(database, campaign["id"], "completed")
    assert (await patch(client, campaign["id"], {"rate": 5})).status_code == 409


async def test_a_draft_is_deleted_and_nothing_else_is(
    client: httpx.AsyncClient, create: Create, database: Database
) -> None:
    """What was sent stays."""
    draft, sent = await create(), await create(send=True)
    assert (await client.delete(f"/v1/campaigns/{draft['id']}")).status_code == 204
    assert (await client.get(f"/v1/campaigns/{draft['id']}")).status_code == 404
    assert (await client.delete(f"/v1/campaigns/{draft['id']}")).status_code == 404
    refused = await client.delete(f"/v1/campaigns/{sent['id']}")
    assert (refused.status_code, refused.json()["state"]) == (409, "sending")
    async with database.read() as tx:
        kept = await tx.first(text("select before ->> 'title' as title from audit_log where method = 'DELETE'"))
    assert kept is not None
    assert kept.title == draft["title"]


async def test_a_clone_is_a_draft_of_its_own(client: httpx.AsyncClient, create: Create) -> None:
    """Of a campaign in any state, with changes."""
    users = {"kind": "users", "user_ids": ["a", "b"]}
    original = await create(send=True, audience=users, data={"k": "v"}, delivery="at_most_once")
    answer = await client.post(f"/v1/campaigns/{original['id']}/clone", json={"title": "again"})
    assert answer.status_code == 201, answer.text
    clone = answer.json()
    assert answer.headers["Location"] == f"/v1/campaigns/{clone['id']}"
    assert (clone["status"], clone["title"], clone["parent_id"]) == ("draft", "again", original["id"])
    assert (clone["data"], clone["delivery"]) == ({"k": "v"}, "at_most_once")
    assert (clone["audience"]["kind"], clone["audience"]["user_count"]) == ("users", 2)
    plain = await client.post(f"/v1/campaigns/{original['id']}/clone")
    assert plain.json()["title"] == original["title"]


async def test_campaigns_are_found_by_what_is_known_of_them(client: httpx.AsyncClient, create: Create) -> None:
    """Filters together; words in title and body, wildcards as they are."""
    sale, news = await create(title="100% sale", priority="high"), await create(title="News", body="a Sale_inside")
    sent = await create(title="sent", send=True)
    (await client.post(f"/v1/campaigns/{sale['id']}/clone")).raise_for_status()

    async def found(**filters: Any) -> list[int]:
        answer = await client.get("/v1/campaigns", params=filters)
        assert answer.status_code == 200, answer.text
        return [item["campaign_id"] for item in answer.json()["items"]]

    clone = sent["id"] + 1
    assert await found(search="SALE") == [clone, news["id"], sale["id"]]
    assert await found(search="100%") == [clone, sale["id"]]
    assert await found(search="e_i") == [news["id"]]
    assert await found(priority="high", parent_id=sale["id"]) == [clone]
    assert await found(status=["sending", "paused"]) == [sent["id"]]
    assert await found(kind=["test", "dry_run"]) == []
    assert await found(created_by="nobody") == []
    assert await found(created_since="2999-01-01T00:00:00Z") == []
    assert len(await found(created_until="2999-01-01T00:00:00Z")) == 4
    assert (await client.get("/v1/campaigns", params={"colour": "red"})).status_code == 422
