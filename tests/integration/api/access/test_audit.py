"""`/v1/audit`: every change is in it."""

from typing import Any

import httpx
from sqlalchemy import text

from shared.db import Database
from tests.integration.api.access.test_keys import bearer, make

CAMPAIGN = {"title": "t", "body": "b", "audience": {"kind": "all"}}


async def entries(client: httpx.AsyncClient, **filters: Any) -> list[dict[str, Any]]:
    """Read the log, the newest first."""
    found: list[dict[str, Any]] = (await client.get("/v1/audit", params=filters)).json()["items"]
    return found


async def test_every_change_says_who_made_it_by_which_request_and_what_it_was(client: httpx.AsyncClient) -> None:
    """Before and after."""
    night = await make(client, "operator", name="night shift")
    campaign_id = (await client.post("/v1/campaigns", json=CAMPAIGN)).json()["id"]
    headers = {**bearer(night["key"]), "X-Request-ID": "night-1"}
    await client.post(f"/v1/campaigns/{campaign_id}/send", headers=headers)
    sent, created = await entries(client, resource=f"campaigns/{campaign_id}")
    assert (created["key_name"], created["key_id"], created["role"]) == ("operator", 0, "admin")
    assert (created["before"], created["after"]["title"]) == (None, "t")
    assert (sent["key_name"], sent["key_id"], sent["request_id"]) == ("night shift", night["id"], "night-1")
    assert (sent["before"], sent["after"]) == ({"status": "draft"}, {"status": "sending"})
    assert (sent["method"], sent["route"]) == ("POST", "/v1/campaigns/{campaign_id}/send")


async def test_what_was_refused_changed_nothing_and_is_not_in_it(client: httpx.AsyncClient) -> None:
    """Neither is reading."""
    campaign_id = (await client.post("/v1/campaigns", json=CAMPAIGN)).json()["id"]
    before = await entries(client)
    await client.post(f"/v1/campaigns/{campaign_id}/pause")
    await client.post("/v1/campaigns", json={})
    await client.get(f"/v1/campaigns/{campaign_id}")
    assert await entries(client) == before


async def test_an_import_is_one_entry_without_a_token(client: httpx.AsyncClient, database: Database) -> None:
    """However many devices it registered."""
    line = '{"user_id":"u","platform":"ios","target":{"kind":"token","value":"secret-token"}}'
    await client.post("/v1/devices/bulk", content=line, headers={"Content-Type": "application/x-ndjson"})
    (entry,) = await entries(client)
    assert (entry["resource"], entry["after"]["registered"]) == ("devices/bulk", 1)
    async with database.read() as tx:
        row = await tx.first(text("select string_agg(audit_log::text, '') as told from audit_log"))
    assert row is not None
    assert "secret-token" not in row.told


async def test_the_log_is_read_by_filters_page_by_page(client: httpx.AsyncClient) -> None:
    """The newest first."""
    made = await make(client, "operator")
    for _ in range(3):
        await client.post("/v1/campaigns", json=CAMPAIGN, headers=bearer(made["key"]))
    page = (await client.get("/v1/audit", params={"key_id": made["id"], "limit": 2})).json()
    rest = (await client.get("/v1/audit", params={"key_id": made["id"], "cursor": page["next_cursor"]})).json()
    assert [len(page["items"]), len(rest["items"]), rest["next_cursor"]] == [2, 1, None]
    assert await entries(client, since="2999-01-01T00:00:00Z") == []
    assert len(await entries(client, until="2999-01-01T00:00:00Z")) == 4
