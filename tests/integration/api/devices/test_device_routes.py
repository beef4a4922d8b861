"""Devices one by one."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from shared.contracts.targets import target_hash
from shared.db import Database

DEVICE: dict[str, Any] = {
    "user_id": "user-1",
    "platform": "android",
    "target": {"kind": "token", "value": "token-1-secret"},
    "locale": "ko_kr",
    "time_zone": "Asia/Seoul",
    "app_version": "3.12.0",
    "attributes": {"plan": "pro", "score": 71, "topics": ["sale"]},
}


async def put(client: httpx.AsyncClient, status: int = 200, **changes: Any) -> dict[str, Any]:
    """Upsert a device."""
    answer = await client.put("/v1/devices", json={**DEVICE, **changes})
    assert answer.status_code == status, answer.text
    device: dict[str, Any] = answer.json()
    return device


async def test_a_new_device_reads_as_it_was_written_without_its_target(client: httpx.AsyncClient) -> None:
    """At the address that Location names; nobody can send with what is told of the target."""
    answer = await client.put("/v1/devices", json=DEVICE)
    assert answer.status_code == 201
    device = answer.json()
    assert device["target"] == {
        "kind": "token",
        "start": "token-",
        "hash": target_hash("token", "token-1-secret").hex(),
    }
    assert {name: device[name] for name in ("user_id", "platform", "app_version", "attributes", "time_zone")} == {
        name: DEVICE[name] for name in ("user_id", "platform", "app_version", "attributes", "time_zone")
    }
    assert (device["locale"], device["active"], device["suppressed"], device["moved_at"]) == (
        "ko-KR",
        True,
        False,
        None,
    )
    read = await client.get(answer.headers["Location"])
    assert read.json() == device
    assert "secret" not in read.text


async def test_what_is_left_out_stays_and_what_is_given_replaces(client: httpx.AsyncClient) -> None:
    """Attributes as a whole; POST does what PUT does."""
    created = await put(client, 201)
    target = {name: DEVICE[name] for name in ("user_id", "platform", "target")}
    assert (await client.post("/v1/devices", json=target)).json()["attributes"] == DEVICE["attributes"]
    changed = (await client.put("/v1/devices", json={**target, "locale": "en", "attributes": {"a": 1}})).json()
    assert (changed["id"], changed["locale"], changed["time_zone"]) == (created["id"], "en", "Asia/Seoul")
    assert changed["attributes"] == {"a": 1}
    assert (await client.put("/v1/devices", json={**target, "attributes": {}})).json()["attributes"] == {}


async def test_an_app_that_starts_again_at_once_writes_nothing_and_later_is_seen(
    client: httpx.AsyncClient, database: Database
) -> None:
    """A million apps start every morning; five minutes are near enough."""
    first = await put(client, 201)
    assert await put(client) == first
    async with database.write() as tx:
        await tx.run(text("update device set last_seen = now() - interval '6 minutes'"))
    seen = datetime.fromisoformat((await put(client))["last_seen"])
    assert datetime.now(UTC) - seen < timedelta(minutes=1)


async def test_a_time_ahead_is_now_and_an_earlier_one_changes_nothing(client: httpx.AsyncClient) -> None:
    """A clock that is wrong on a phone makes no device that is always fresh."""
    ahead = await put(client, 201, last_seen="2999-01-01T00:00:00Z")
    assert datetime.fromisoformat(ahead["last_seen"]) < datetime.now(UTC) + timedelta(minutes=1)
    assert (await put(client, last_seen="2020-01-01T00:00:00Z"))["last_seen"] == ahead["last_seen"]


async def test_a_token_that_moves_to_another_user_moves_once(client: httpx.AsyncClient) -> None:
    """It stays one device; what was known of the other user is gone, and sending it again changes nothing."""
    before = await put(client, 201)
    heir: dict[str, Any] = {"user_id": "heir", "attributes": None}
    moved = await put(client, **heir)
    assert (moved["id"], moved["user_id"], moved["attributes"]) == (before["id"], "heir", {})
    assert moved["moved_at"] is not None
    assert await put(client, **heir) == moved
    assert (await client.get("/v1/devices", params={"user_id": "user-1"})).json()["items"] == []


async def test_many_who_claim_one_token_at_once_leave_one_device(client: httpx.AsyncClient) -> None:
    """It belongs to one of them."""
    answers = await asyncio.gather(
        *(client.put("/v1/devices", json={**DEVICE, "user_id": f"user-{n}"}) for n in range(12))
    )
    assert {answer.status_code for answer in answers} == {200, 201}
    assert [answer.status_code for answer in answers].count(201) == 1
    assert len({answer.json()["id"] for answer in answers}) == 1
    owners = [
        n for n in range(12) if (await client.get("/v1/devices", params={"user_id": f"user-{n}"})).json()["items"]
    ]
    assert len(owners) == 1


async def test_a_users_devices_are_listed_in_pages_the_newest_first(client: httpx.AsyncClient) -> None:
    """Active or not."""
    ids = [(await put(client, 201, target={"kind": "fid", "value": f"fid-{n}"}))["id"] for n in range(5)]
    first = (await client.get("/v1/devices", params={"user_id": "user-1", "limit": 3})).json()
    rest = (
        await client.get("/v1/devices", params={"user_id": "user-1", "limit": 3, "cursor": first["next_cursor"]})
    ).json()
    assert [device["id"] for device in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next_cursor"] is None


async def test_a_device_is_deactivated_by_its_number_or_its_target(client: httpx.AsyncClient) -> None:
    """Until it is registered again; twice is once."""
    device = await put(client, 201)
    for _ in range(2):
        answer = await client.post(f"/v1/devices/{device['id']}/deactivate")
        assert (answer.status_code, answer.json()["active"]) == (200, False)
    assert (await put(client))["active"] is True
    assert (await client.post("/v1/devices/deactivate", json={"target": DEVICE["target"]})).json()["active"] is False


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/devices/7", None),
        ("POST", "/v1/devices/7/deactivate", None),
        ("POST", "/v1/devices/deactivate", {"target": {"kind": "token", "value": "nobody"}}),
    ],
)
async def test_a_device_that_is_not_there_is_told_so(
    client: httpx.AsyncClient, method: str, path: str, body: dict[str, Any] | None
) -> None:
    """With where to look."""
    answer = await client.request(method, path, json=body)
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:carillon:problem:no-such-device"
    assert "nobody" not in answer.text


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"project": "nowhere"}, "/project"),
        ({"platform": "symbian"}, "/platform"),
        ({"target": {"kind": "token", "value": "a b"}}, "/target/value"),
        ({"time_zone": "KST"}, "/time_zone"),
        ({"last_seen": 1_700_000_000}, "/last_seen"),
        ({"attributes": {"a": {"b": 1}}}, "/attributes/a"),
        ({"colour": "red"}, "/colour"),
    ],
)
async def test_a_bad_device_is_told_where(client: httpx.AsyncClient, change: dict[str, Any], pointer: str) -> None:
    """Nothing is stored of it."""
    answer = await client.put("/v1/devices", json={**DEVICE, **change})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert (await client.get("/v1/devices", params={"user_id": "user-1"})).json()["items"] == []
