"""How many devices an audience has."""

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from services.api.audiences import estimate_routes
from shared.db import Database

NDJSON = {"Content-Type": "application/x-ndjson"}


async def estimate(client: httpx.AsyncClient, audience: dict[str, Any], status: int = 200) -> dict[str, Any]:
    """Count an audience."""
    answer = await client.post("/v1/audiences/estimate", json={"audience": audience})
    assert answer.status_code == status, answer.text
    estimated: dict[str, Any] = answer.json()
    return estimated


async def register(client: httpx.AsyncClient, database: Database) -> None:
    """Register ten devices of five users, in two projects."""
    async with database.write() as tx:
        await tx.run(text("insert into project (id) values ('shop')"))
    lines = [
        {
            "user_id": f"user-{n // 2}",
            "platform": "ios" if n % 2 else "android",
            "target": {"kind": "token", "value": f"t{n}"},
            "project": "shop" if n < 4 else "default",
            "attributes": {"score": n},
        }
        for n in range(10)
    ]
    body = "".join(json.dumps(line) + "\n" for line in lines)
    answer = await client.post("/v1/devices/bulk", content=body, headers=NDJSON)
    assert answer.json()["registered"] == 10


async def test_an_audience_is_counted_by_platform_and_project(client: httpx.AsyncClient, database: Database) -> None:
    """With how many of them would be skipped now; nothing is created."""
    await register(client, database)
    await client.put("/v1/suppressions/users/user-0", json={})
    found = await estimate(client, {"kind": "all"})
    assert (found["devices"], found["suppressed"]) == (10, 2)
    assert found["by_platform"] == {"android": 5, "ios": 5}
    assert found["by_project"] == {"default": 6, "shop": 4}
    assert {(part["project"], part["platform"]): part["devices"] for part in found["parts"]} == {
        ("default", "android"): 3,
        ("default", "ios"): 3,
        ("shop", "android"): 2,
        ("shop", "ios"): 2,
    }
    assert (await client.get("/v1/campaigns")).json()["items"] == []


async def test_every_kind_of_audience_is_counted(client: httpx.AsyncClient, database: Database) -> None:
    """As it would be planned now."""
    await register(client, database)
    upload = await client.post("/v1/lists?name=l", content='"user-1"\n"user-2"\n"ghost"\n', headers=NDJSON)
    list_id = upload.json()["id"]
    high = {"attribute": "score", "gte": 6}
    segment = (await client.post("/v1/segments", json={"name": "high", "filter": high})).json()["id"]
    for audience, expected in (
        ({"kind": "users", "user_ids": ["user-0", "user-4", "ghost"]}, 4),
        ({"kind": "list", "list_id": list_id}, 4),
        ({"kind": "segment", "segment_id": segment}, 4),
        ({"kind": "segment", "filter": {"not": high}}, 6),
        ({"kind": "all", "exclude": {"list_ids": [list_id], "segment_ids": [segment]}}, 2),
        ({"kind": "all", "exclude": {"user_ids": ["user-0", "ghost"]}}, 8),
        ({"kind": "users", "user_ids": []}, 0),
    ):
        assert (await estimate(client, audience))["devices"] == expected, audience


async def test_a_count_that_takes_too_long_is_given_up_with_advice(
    client: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No audience holds the database; the connection is good for the next one."""
    await register(client, database)
    monkeypatch.setattr(estimate_routes, "PATIENCE", 0.001)
    monkeypatch.setattr(
        estimate_routes, "COUNT", estimate_routes.COUNT.replace("where d.active", "where pg_sleep(1) is not null")
    )
    problem = await estimate(client, {"kind": "all"}, 503)
    assert problem["type"] == "urn:carillon:problem:estimate-too-slow"
    monkeypatch.undo()
    assert (await estimate(client, {"kind": "all"}))["devices"] == 10


@pytest.mark.parametrize(
    ("audience", "pointers"),
    [
        ({"kind": "list", "list_id": 7}, ["/audience/list_id"]),
        ({"kind": "segment", "segment_id": 7}, ["/audience/segment_id"]),
        (
            {"kind": "all", "exclude": {"list_ids": [7], "segment_ids": [8]}},
            ["/audience/exclude/list_ids/0", "/audience/exclude/segment_ids/0"],
        ),
        ({"kind": "segment", "filter": {"any": [{"field": "platform"}]}}, ["/audience/filter/any/0"]),
    ],
)
async def test_what_is_no_audience_is_told_where(
    client: httpx.AsyncClient, audience: dict[str, Any], pointers: list[str]
) -> None:
    """Also when a campaign is created with it."""
    for path, body in (
        ("/v1/audiences/estimate", {"audience": audience}),
        ("/v1/campaigns", {"title": "t", "body": "b", "audience": audience}),
    ):
        answer = await client.post(path, json=body)
        assert answer.status_code == 422, answer.text
        assert [fault["pointer"] for fault in answer.json()["errors"]] == pointers
