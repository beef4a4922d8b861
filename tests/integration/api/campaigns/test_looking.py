"""Forecasts, explanations, and the stop of everything."""

from datetime import UTC, datetime, timedelta

import httpx
from sqlalchemy import text

from shared.amqp.connection import connect
from shared.db import Database
from tests.integration.api.campaigns.conftest import Create


async def test_a_forecast_counts_the_audience_and_warns(
    client: httpx.AsyncClient, create: Create, devices: list[str], database: Database
) -> None:
    """Ten devices at one a second, at a quarter past, half of them stale, with another campaign sending."""
    async with database.write() as tx:
        await tx.run(text("update device set last_seen = now() - interval '40 days' where id % 2 = 0"))
    await create(send=True)
    draft = await create(rate=1, ttl_seconds=5)
    quarter = (datetime.now(UTC) + timedelta(hours=2)).replace(minute=15, second=0, microsecond=0)
    answer = await client.get(f"/v1/campaigns/{draft['id']}/forecast", params={"at": quarter.isoformat()})
    assert answer.status_code == 200, answer.text
    forecast = answer.json()
    assert (forecast["recipients"], forecast["stale"], forecast["batches"]) == (10, 5, 10)
    assert {part["platform"]: part["devices"] for part in forecast["parts"]} == {"android": 6, "ios": 4}
    assert forecast["projects"][0]["seconds"] == 10.0
    assert datetime.fromisoformat(forecast["finish_at"]) == quarter + timedelta(seconds=10)
    assert forecast["payload_bytes"].keys() == {"android", "apns", "webpush"}
    codes = {warning["code"] for warning in forecast["warnings"]}
    assert codes == {"quarter_hour", "clash", "expires_first", "stale"}


async def test_an_explanation_names_what_is_missing(
    client: httpx.AsyncClient, create: Create, devices: list[str]
) -> None:
    """Here there is no planner, and no sender on the lane."""
    draft = await create(priority="high")
    explained = (await client.get(f"/v1/campaigns/{draft['id']}/explain")).json()
    assert (explained["status"], explained["reasons"][0]["code"]) == ("draft", "draft")
    await client.post(f"/v1/campaigns/{draft['id']}/send")
    answer = await client.get(f"/v1/campaigns/{draft['id']}/explain")
    assert answer.status_code == 200, answer.text
    explained = answer.json()
    assert [reason["code"] for reason in explained["reasons"]] == [
        "no_sender",
        "no_planner",
        "no_aggregator",
        "planning",
    ]
    assert "No sender serves the lane high" in explained["sentence"]
    assert explained["moving"] is False


async def test_an_explanation_names_a_queue_that_is_gone(
    client: httpx.AsyncClient, create: Create, devices: list[str], amqp_url: str
) -> None:
    """The broker answers, so it is not called out of reach."""
    campaign = await create(priority="high", send=True)
    async with await connect(amqp_url, name="test", timeout=10) as connection:
        channel = await connection.channel()
        await channel.queue_delete("sender.high")
    explained = (await client.get(f"/v1/campaigns/{campaign['id']}/explain")).json()
    assert explained["reasons"][0]["code"] == "queue_missing"
    assert explained["sentence"].startswith("The vhost lacks queue sender.high:")
    assert "broker_unreachable" not in {reason["code"] for reason in explained["reasons"]}


async def test_an_explanation_knows_the_ledger(
    client: httpx.AsyncClient, create: Create, devices: list[str], database: Database
) -> None:
    """A project that FCM told to wait, and batches that wait for their retry."""
    campaign = await create(send=True)
    async with database.write() as tx:
        await tx.run(
            text("""
                insert into campaign_batch (campaign_id, batch_no, lane, project_id, size, state, outcomes, reported,
                                            first_id, last_id, due_at)
                values (:id, 0, 'normal', 'default', 2, 'waiting', '..', '..', 1, 2, now() + interval '330 seconds')
            """),
            {"id": campaign["id"]},
        )
        await tx.run(text("update project set paused_until = extract(epoch from now()) + 41"))
    explained = (await client.get(f"/v1/campaigns/{campaign['id']}/explain")).json()
    reasons = {reason["code"]: reason for reason in explained["reasons"]}
    assert 38 < reasons["project_paused"]["figures"]["seconds"] <= 41
    assert 27 < reasons["waiting_for_retries"]["figures"]["next_in"] <= 30


async def test_everything_is_stopped_and_resumed_by_one_call_each(client: httpx.AsyncClient, create: Create) -> None:
    """Meanwhile nothing is sent, and who asks is told who stopped it and why."""
    first, second, draft = await create(send=True), await create(send=True), await create()
    paused = await create(send=True)
    await client.post(f"/v1/campaigns/{paused['id']}/pause")
    answer = await client.post("/v1/stop", json={"scope": "system", "reason": "wrong price"})
    assert answer.status_code == 201, answer.text
    stop = answer.json()
    assert stop["campaigns"] == [first["id"], second["id"]]
    read = (await client.get(f"/v1/campaigns/{first['id']}")).json()
    assert (read["status"], read["stop_id"]) == ("paused", stop["id"])
    refused = await client.post(f"/v1/campaigns/{draft['id']}/send")
    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:carillon:problem:everything-stopped"
    assert "operator stopped everything" in refused.json()["detail"]
    assert "wrong price" in refused.json()["detail"]
    explained = (await client.get(f"/v1/campaigns/{first['id']}/explain")).json()
    assert "operator stopped everything (wrong price)." in explained["sentence"]
    (in_force,) = (await client.get("/v1/stop")).json()["items"]
    assert (in_force["id"], in_force["reason"]) == (stop["id"], "wrong price")
    assert (await client.post("/v1/resume-all", json={"stop_id": 4711})).status_code == 404
    resumed = (await client.post("/v1/resume-all")).json()
    assert resumed["undone"][0]["campaigns"] == [first["id"], second["id"]]
    assert (await client.get(f"/v1/campaigns/{paused['id']}")).json()["status"] == "paused"
    assert (await client.post(f"/v1/campaigns/{draft['id']}/send")).status_code == 202
    assert (await client.get("/v1/stop")).json() == {"items": []}


async def test_a_stop_names_a_project_that_exists(client: httpx.AsyncClient) -> None:
    """With the scope that goes with it."""
    missing = await client.post("/v1/stop", json={"scope": "project", "project": "ghost"})
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:carillon:problem:no-such-project")
    for body in ({"scope": "project"}, {"scope": "system", "project": "default"}, {"scope": "everything"}):
        assert (await client.post("/v1/stop", json=body)).status_code == 422
    assert (await client.post("/v1/stop", json={"scope": "project", "project": "default"})).status_code == 201
