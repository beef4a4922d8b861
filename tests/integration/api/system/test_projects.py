"""`/v1/projects` over a running API."""

import httpx
import pytest

from shared.db import Database
from shared.ledger import projects as ledger
from shared.ledger.projects import Turn, Wait
from shared.ledger.times import Times
from shared.topology import Lane


async def test_a_project_is_created_and_its_quota_changed_as_it_was_seen(client: httpx.AsyncClient) -> None:
    """By a version; the first one needs none."""
    created = await client.put("/v1/projects/second", json={"rate": 100})
    assert (created.status_code, created.headers["Location"]) == (201, "/v1/projects/second")
    assert (await client.put("/v1/projects/second", json={"rate": 200})).status_code == 428
    tag = (await client.get("/v1/projects/second")).headers["ETag"]
    changed = await client.put("/v1/projects/second", json={"rate": 200}, headers={"If-Match": tag})
    assert (changed.status_code, changed.json()["rate"]) == (200, 200)
    stale = await client.put("/v1/projects/second", json={"rate": 300}, headers={"If-Match": tag})
    assert (stale.status_code, stale.json()["etag"]) == (412, changed.headers["ETag"])
    entry = (await client.get("/v1/audit?resource=projects/second")).json()["items"][0]
    assert (entry["before"], entry["after"]) == ({"rate": 100.0}, {"rate": 200.0})
    assert [item["id"] for item in (await client.get("/v1/projects")).json()["items"]] == ["default", "second"]


async def test_a_device_can_be_registered_in_a_created_project(client: httpx.AsyncClient) -> None:
    """At once."""
    await client.put("/v1/projects/second", json={"rate": 100})
    line = '{"user_id":"u","platform":"ios","target":{"kind":"token","value":"t"},"project":"second"}'
    answer = await client.post("/v1/devices/bulk", content=line, headers={"Content-Type": "application/x-ndjson"})
    assert answer.json()["registered"] == 1


async def test_a_project_tells_how_much_of_its_quota_is_used(client: httpx.AsyncClient, database: Database) -> None:
    """By what senders have booked in the last minute."""
    await client.put("/v1/projects/second", json={"rate": 100})
    async with database.write() as tx:
        for _ in range(2):
            await ledger.take_turn(tx, "second", lane=Lane.HIGH, messages=30, times=Times(ramp=0))
    project = (await client.get("/v1/projects/second")).json()
    assert project["quota_used"] == pytest.approx(60 / 6000, rel=0.05)
    assert 0 < project["booked_ahead_seconds"] <= 0.61


async def test_a_broken_project_says_so_until_an_operator_resets_it(
    client: httpx.AsyncClient, database: Database
) -> None:
    """Circuit, platforms, pause and cut; the last error stays to be read."""
    times = Times(ramp=0)
    async with database.write() as tx:
        await ledger.on_quota_exceeded(tx, "default", wait=60, times=times)
        await ledger.stop_platform(tx, "default", "ios", "THIRD_PARTY_AUTH_ERROR", times=times)
        await ledger.open_circuit(tx, "default", "SENDER_ID_MISMATCH", probe=False, times=times)
    broken = (await client.get("/v1/projects/default")).json()
    assert (broken["circuit"], broken["circuit_reason"]) == ("open", "SENDER_ID_MISMATCH")
    assert broken["stopped_platforms"]["ios"]["reason"] == "THIRD_PARTY_AUTH_ERROR"
    assert broken["paused_until"]
    assert broken["rate_in_force"] < broken["rate"]
    assert broken["last_error"] == "SENDER_ID_MISMATCH"
    reset = (await client.post("/v1/projects/default/reset-circuit")).json()
    assert (reset["circuit"], reset["stopped_platforms"], reset["paused_until"]) == ("closed", {}, None)
    assert reset["rate_in_force"] == reset["rate"]
    assert reset["last_error"] == "SENDER_ID_MISMATCH"
    async with database.write() as tx:
        turn = await ledger.take_turn(tx, "default", lane=Lane.HIGH, messages=1, times=times)
    assert isinstance(turn, Turn)
    assert not isinstance(turn, Wait)


async def test_what_is_no_project_is_a_problem(client: httpx.AsyncClient) -> None:
    """Read, reset, or named so that no file could be."""
    assert (await client.get("/v1/projects/ghost")).json()["type"] == "urn:carillon:problem:no-such-project"
    assert (await client.post("/v1/projects/ghost/reset-circuit")).status_code == 404
    assert (await client.put("/v1/projects/Ghost!", json={"rate": 1})).status_code == 422
