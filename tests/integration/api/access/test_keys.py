"""`/v1/keys` over a running API."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import text

from services.api.access.keys import Keys
from services.api.access.roles import digest
from shared.db import Database
from tests.integration.api.conftest import KEY
from tests.support.eventually import eventually


async def make(client: httpx.AsyncClient, role: str, **more: Any) -> dict[str, Any]:
    """Make a key."""
    answer = await client.post("/v1/keys", json={"name": f"a {role}", "role": role, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def bearer(key: str) -> dict[str, str]:
    """The header that carries a key."""
    return {"Authorization": f"Bearer {key}"}


async def test_a_key_is_shown_once_and_kept_only_as_its_hash(client: httpx.AsyncClient, database: Database) -> None:
    """Nobody can read it again, in the API or in the database."""
    made = await make(client, "viewer")
    listed = (await client.get("/v1/keys")).json()["items"]
    assert [item["id"] for item in listed] == [made["id"]]
    assert made["key"].startswith(listed[0]["prefix"])
    async with database.read() as tx:
        row = await tx.first(text("select api_key::text as told, digest from api_key"))
        entries = await tx.all(text("select audit_log::text as told from audit_log"))
    assert row is not None
    assert row.digest == digest(made["key"])
    assert made["key"] not in row.told + str(entries)
    assert made["key"] not in (await client.get(f"/v1/keys/{made['id']}")).text


async def test_a_key_says_whose_it_is(client: httpx.AsyncClient) -> None:
    """The operator key of the environment is an admin without a number."""
    made = await make(client, "ingest")
    assert (await client.get("/v1/keys/current")).json() == {"name": "operator", "role": "admin", "key_id": 0}
    who = await client.get("/v1/keys/current", headers=bearer(made["key"]))
    assert who.json() == {"name": "a ingest", "role": "ingest", "key_id": made["id"]}


async def test_what_a_key_creates_carries_its_name(client: httpx.AsyncClient) -> None:
    """As `created_by`."""
    made = await make(client, "operator")
    campaign = {"title": "t", "body": "b", "audience": {"kind": "all"}}
    answer = await client.post("/v1/campaigns", json=campaign, headers=bearer(made["key"]))
    assert answer.json()["created_by"] == "a operator"


async def test_a_revoked_key_is_refused_at_once(client: httpx.AsyncClient) -> None:
    """Though it was just looked up; the row stays."""
    made = await make(client, "viewer")
    headers = bearer(made["key"])
    assert (await client.get("/v1/campaigns/active", headers=headers)).status_code == 200
    assert (await client.delete(f"/v1/keys/{made['id']}")).status_code == 204
    refused = await client.get("/v1/campaigns/active", headers=headers)
    assert refused.json()["type"] == "urn:carillon:problem:unauthorized"
    assert (await client.get(f"/v1/keys/{made['id']}")).json()["revoked_at"]
    assert (await client.delete(f"/v1/keys/{made['id']}")).status_code == 204
    assert (await client.delete("/v1/keys/4711")).json()["type"] == "urn:carillon:problem:no-such-key"


async def test_another_process_refuses_a_revoked_key_within_a_second(
    client: httpx.AsyncClient, database: Database
) -> None:
    """It believes what it looked up for that long."""
    made = await make(client, "viewer")
    elsewhere = Keys(database, digest(KEY))
    assert await elsewhere.find(made["key"]) is not None
    await client.delete(f"/v1/keys/{made['id']}")

    async def refused() -> bool:
        return await elsewhere.find(made["key"]) is None

    await eventually(refused, within=1.5)


async def test_an_expired_key_is_refused(client: httpx.AsyncClient, database: Database) -> None:
    """One is not made with an end in the past."""
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    made = await make(client, "viewer", expires_at=soon)
    async with database.write() as tx:
        await tx.run(text("update api_key set expires_at = now()"))
    assert (await client.get("/v1/campaigns", headers=bearer(made["key"]))).status_code == 401
    past = {"name": "late", "role": "viewer", "expires_at": "2020-01-01T00:00:00Z"}
    assert (await client.post("/v1/keys", json=past)).status_code == 422


async def test_last_use_is_written_later_and_once_a_minute(client: httpx.AsyncClient, database: Database) -> None:
    """A write a request would cost more than the requests."""
    made = await make(client, "viewer")
    keys = Keys(database, digest(KEY))
    assert await keys.find(made["key"]) is not None
    await keys.flush()
    first = (await client.get(f"/v1/keys/{made['id']}")).json()["last_used_at"]
    assert first is not None
    await keys.find(made["key"])
    await keys.flush()
    assert (await client.get(f"/v1/keys/{made['id']}")).json()["last_used_at"] == first


async def test_keys_are_listed_page_by_page(client: httpx.AsyncClient) -> None:
    """The newest first."""
    ids = [(await make(client, "viewer"))["id"] for _ in range(3)]
    page = (await client.get("/v1/keys?limit=2")).json()
    rest = (await client.get("/v1/keys", params={"limit": 2, "cursor": page["next_cursor"]})).json()
    assert [item["id"] for item in page["items"] + rest["items"]] == ids[::-1]
    assert rest["next_cursor"] is None


async def test_a_key_makes_no_more_requests_than_it_may(client: httpx.AsyncClient) -> None:
    """Others are not touched by it."""
    made = await make(client, "viewer", rate=1)
    answers = [await client.get("/v1/keys/current", headers=bearer(made["key"])) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["RateLimit-Policy"] == '"key";q=2;w=2'
    assert int(answers[2].headers["Retry-After"]) >= 1
    assert answers[2].json()["type"] == "urn:carillon:problem:too-many-requests"
    assert (await client.get("/v1/keys/current")).status_code == 200
