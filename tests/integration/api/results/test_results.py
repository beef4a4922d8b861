"""Batches, failures, the push log and exports."""

import csv
import io
import json
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from services.api.results import push_log
from shared.db import Writer
from tests.integration.api.results.conftest import Ended
from tests.integration.shared.ledger.stage import Stage

LETTERS = "AUDRA?XA"
CODES = {1: "UNREGISTERED", 2: "UNAVAILABLE", 3: "INVALID_ARGUMENT", 5: "TIMEOUT"}


async def test_batches_are_listed_in_their_order_page_by_page(
    client: httpx.AsyncClient, stage: Stage, ended: Ended
) -> None:
    """With their letters counted; by state on request."""
    await stage.devices(8)
    campaign_id = await ended(LETTERS, CODES)
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        params: dict[str, Any] = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        answer = await client.get(f"/v1/campaigns/{campaign_id}/batches", params=params)
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            break
    assert [batch["batch_no"] for batch in found] == [0, 1, 2]
    assert {batch["state"] for batch in found} == {"finished"}
    assert (found[0]["outcomes"]["dead"], found[1]["outcomes"]["unknown"], found[2]["size"]) == (1, 1, 2)
    waiting = await client.get(f"/v1/campaigns/{campaign_id}/batches", params={"state": "waiting"})
    assert waiting.json() == {"items": [], "next_cursor": None}


async def test_failures_are_grouped_by_outcome_code_and_platform(
    client: httpx.AsyncClient, stage: Stage, ended: Ended
) -> None:
    """With one answer's text; what was accepted is none of them."""
    devices = await stage.devices(8)
    await stage.run("update device set platform = 'ios' where id = :id", id=devices[3])
    campaign_id = await ended(LETTERS, CODES)
    await stage.run("delete from device where id = :id", id=devices[6])
    items = (await client.get(f"/v1/campaigns/{campaign_id}/failures")).json()["items"]
    assert {(item["outcome"], item["code"], item["platform"], item["count"]) for item in items} == {
        ("unregistered", "UNREGISTERED", "android", 1),
        ("dead", "UNAVAILABLE", "android", 1),
        ("rejected", "INVALID_ARGUMENT", "ios", 1),
        ("unknown", "TIMEOUT", "android", 1),
        ("expired", None, None, 1),
    }
    assert {item["sample"] for item in items} == {None, *(f"text of {code}" for code in CODES.values())}


async def test_a_devices_and_a_users_pushes_are_found_over_campaigns(
    client: httpx.AsyncClient, stage: Stage, ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest campaign first, page by page, whatever other devices they had."""
    monkeypatch.setattr(push_log, "CAMPAIGNS", 2)
    devices = await stage.devices(4)
    first = await ended("AAUA", {2: "UNREGISTERED"})
    await stage.draft()
    second = await ended("AADX", {2: "UNAVAILABLE"})
    only_others = await ended("AA", audience={"kind": "devices", "device_ids": [devices[0], devices[3]]})
    third = await ended("AAAA")
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(3):
        params: dict[str, Any] = {"device_id": devices[2], **({"cursor": cursor} if cursor else {})}
        answer = await client.get("/v1/push-log", params=params)
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            break
    assert [(push["campaign_id"], push["outcome"], push["code"]) for push in found] == [
        (third, "accepted", None),
        (second, "dead", "UNAVAILABLE"),
        (first, "unregistered", "UNREGISTERED"),
    ]
    assert only_others not in {push["campaign_id"] for push in found}
    assert {(push["user_id"], push["platform"], push["device_id"]) for push in found} == {
        ("user-3", "android", devices[2])
    }
    of_user = (await client.get("/v1/push-log", params={"user_id": "user-3"})).json()["items"]
    assert of_user == found[:1]
    assert (await client.get("/v1/push-log", params={"user_id": "ghost"})).json() == {"items": [], "next_cursor": None}
    assert (await client.get("/v1/push-log")).status_code == 422


@pytest.mark.parametrize("batches", [1, 100])
async def test_an_export_has_a_line_for_each_device(
    client: httpx.AsyncClient, stage: Stage, ended: Ended, monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    """As NDJSON and as CSV, whatever a user's id holds; a device that was deleted keeps its number."""
    monkeypatch.setattr("services.api.results.export.BATCHES", batches)
    devices = await stage.devices(8)
    odd = 'a "quoted", 한글\\ 👋'
    async with stage.database.write() as tx:
        await tx.run(text("update device set user_id = :user where id = :id"), {"user": odd, "id": devices[1]})
    campaign_id = await ended(LETTERS, CODES)
    await stage.run("delete from device where id = :id", id=devices[4])
    answer = await client.get(f"/v1/campaigns/{campaign_id}/export")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert [row["device_id"] for row in rows] == devices
    assert rows[1] == {
        "device_id": devices[1],
        "user_id": odd,
        "platform": "android",
        "outcome": "unregistered",
        "code": "UNREGISTERED",
        "at": rows[1]["at"],
        "message": "text of UNREGISTERED",
    }
    assert datetime.fromisoformat(rows[1]["at"]).utcoffset() == timedelta(0)
    assert rows[4] == {
        "device_id": devices[4],
        "user_id": None,
        "platform": None,
        "outcome": "accepted",
        "code": None,
        "at": rows[4]["at"],
        "message": None,
    }
    table = await client.get(f"/v1/campaigns/{campaign_id}/export", params={"format": "csv"})
    assert table.headers["Content-Disposition"] == f'attachment; filename="campaign-{campaign_id}.csv"'
    read = list(csv.DictReader(io.StringIO(table.text)))
    assert [{**row, "device_id": str(row["device_id"])} for row in rows] == [
        {name: value or None for name, value in row.items()} for row in read
    ]


async def test_an_export_of_some_outcomes_has_only_these(client: httpx.AsyncClient, stage: Stage, ended: Ended) -> None:
    """In the order of the batches."""
    await stage.devices(8)
    campaign_id = await ended(LETTERS, CODES)
    answer = await client.get(f"/v1/campaigns/{campaign_id}/export", params={"outcome": ["unknown", "dead"]})
    assert [json.loads(line)["outcome"] for line in answer.text.splitlines()] == ["dead", "unknown"]
    assert (await client.get(f"/v1/campaigns/{campaign_id}/export", params={"outcome": "nice"})).status_code == 422
    empty = await client.get(f"/v1/campaigns/{campaign_id}/export", params={"outcome": "skipped", "format": "csv"})
    assert empty.text == "device_id,user_id,platform,outcome,code,at,message\r\n"


async def test_an_export_for_spreadsheets_runs_nothing_and_is_read_back_as_it_was(
    client: httpx.AsyncClient, stage: Stage, ended: Ended
) -> None:
    """User ids come from apps: those that would be formulas get an apostrophe, which a list takes off again."""
    users = ["=1+1", "+8210", "-5", "@x", "'=1", "''+2", "007", '=HYPERLINK("http://a";"김")']
    devices = await stage.devices(8)
    for device, user in zip(devices, users, strict=True):
        async with stage.database.write() as tx:
            await tx.run(text("update device set user_id = :user where id = :id"), {"user": user, "id": device})
    campaign_id = await ended(LETTERS, CODES)
    path, params = f"/v1/campaigns/{campaign_id}/export", {"format": "csv", "spreadsheet": "true"}
    answer = await client.get(path, params=params)
    assert answer.content.startswith(b"\xef\xbb\xbfdevice_id,user_id,")
    shown = [row["user_id"] for row in csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))]
    assert shown[:7] == ["'=1+1", "'+8210", "'-5", "'@x", "''=1", "'''+2", "'007"]
    uploaded = await client.post("/v1/lists?name=back", content=answer.content, headers={"Content-Type": "text/csv"})
    assert (uploaded.status_code, uploaded.json()["size"], uploaded.json()["rejected"]) == (201, 8, 0)
    members = await stage.database.again(_members)
    assert members == sorted(users)
    plain = await client.get(path, params={"format": "csv"})
    assert [row["user_id"] for row in csv.DictReader(io.StringIO(plain.text))] == users
    assert (await client.get(path, params={"spreadsheet": "true"})).status_code == 422


async def _members(tx: Writer) -> list[str]:
    return sorted(row.user_id for row in await tx.all(text("select user_id from audience_list_member")))


async def test_a_ledger_that_was_deleted_is_said_to_be(client: httpx.AsyncClient, stage: Stage, ended: Ended) -> None:
    """Rather than 200 and nothing, as if nobody had been addressed; the counts stay."""
    await stage.devices(8)
    campaign_id = await ended(LETTERS, CODES)
    path = f"/v1/campaigns/{campaign_id}"
    assert (await client.get(f"{path}/stats")).json()["ledger_deleted_at"] is None
    await stage.run("update campaign set ledger_deleted_at = now() where id = :id", id=campaign_id)
    for route in ("export", "batches", "failures"):
        answer = await client.get(f"{path}/{route}")
        assert (answer.status_code, answer.json()["type"]) == (410, "urn:carillon:problem:ledger-deleted")
        assert f"{path}/stats" in answer.json()["detail"]
    stats = (await client.get(f"{path}/stats")).json()
    assert (stats["ledger_deleted_at"] is not None, stats["total_recipients"], stats["balanced"]) == (True, 8, True)


async def test_stats_show_the_seal(client: httpx.AsyncClient, stage: Stage, ended: Ended) -> None:
    """The audience as the sum of its outcomes."""
    await stage.devices(8)
    stats = (await client.get(f"/v1/campaigns/{await ended(LETTERS, CODES)}/stats")).json()
    assert stats["balanced"] is True
    assert stats["seal"] == "8 = 3 accepted + 1 unregistered + 1 rejected + 1 unknown + 1 dead + 1 expired"
    assert (stats["rate"], stats["time_left_seconds"]) == (None, None)


async def test_the_rate_is_told_while_a_campaign_is_sending(client: httpx.AsyncClient, stage: Stage) -> None:
    """From its own events: 300 devices in 15 s, and what is not planned yet is expected."""
    await stage.devices(4)
    campaign_id = await stage.sending()
    await stage.run("update campaign set total = 1000, accepted = 500, pending = 500 where id = :id", id=campaign_id)
    await stage.run("update campaign_plan set cursor = 50, max_id = 100 where campaign_id = :id", id=campaign_id)
    await stage.run(
        "insert into campaign_event (campaign_id, campaign_seq, name, at, data) values "
        "(:id, 2, 'progressed', clock_timestamp() - interval '15 seconds', cast(:data as jsonb))",
        id=campaign_id,
        data=json.dumps({"total": 700, "outcomes": {"pending": 500}}),
    )
    stats = (await client.get(f"/v1/campaigns/{campaign_id}/stats")).json()
    assert 15 <= stats["rate"] <= 20
    assert stats["time_left_seconds"] == pytest.approx(1500 / stats["rate"], rel=0.01)


@pytest.mark.parametrize("route", ["batches", "failures", "export", "events"])
async def test_what_does_not_exist_has_no_results(client: httpx.AsyncClient, route: str) -> None:
    """For every route."""
    answer = await client.get(f"/v1/campaigns/4711/{route}")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:carillon:problem:no-such-campaign")
