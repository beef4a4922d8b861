"""`/v1/devices/bulk` over the registry."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.engine import Row

from services.api.devices.imports.ingest import CHUNK
from shared.contracts.targets import target_hash
from shared.db import Database
from tests.support.eventually import eventually

NDJSON = {"Content-Type": "application/x-ndjson"}
DEVICES = text("select * from device order by id")


def device(number: int, **changes: Any) -> dict[str, Any]:
    """A device with target `number`."""
    target = {"kind": "token", "value": f"token-{number}"}
    return {"user_id": f"user-{number}", "platform": "ios", "target": target, **changes}


def body(devices: Iterable[dict[str, Any]]) -> bytes:
    """Lines of an import."""
    return b"".join(json.dumps(device).encode() + b"\n" for device in devices)


async def send(client: httpx.AsyncClient, content: bytes | AsyncIterator[bytes]) -> httpx.Response:
    """Import."""
    return await client.post("/v1/devices/bulk", content=content, headers=NDJSON, timeout=30)


async def registered(database: Database) -> Sequence[Row[Any]]:
    """Every device of the registry."""
    async with database.read() as tx:
        return await tx.all(DEVICES)


async def test_every_good_line_of_a_large_body_is_in_the_registry(
    client: httpx.AsyncClient, database: Database
) -> None:
    """Over several chunks, sent in pieces of any size."""
    count = 3 * CHUNK + 7
    whole = body(map(device, range(count)))

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(whole), 10_007):
            yield whole[start : start + 10_007]

    answer = await send(client, pieces())
    assert answer.json() == {"received": count, "registered": count, "rejected": 0, "errors": []}
    devices = await registered(database)
    assert len(devices) == count
    assert {row.target_hash == target_hash(row.target_kind, row.target) for row in devices} == {True}
    assert {(row.project_id, row.active) for row in devices} == {("default", True)}


async def test_a_known_target_moves_and_becomes_active_again(client: httpx.AsyncClient, database: Database) -> None:
    """It stays one device, with its id."""
    await send(client, body([device(1), device(2)]))
    before = await registered(database)
    async with database.write() as tx:
        await tx.run(text("insert into project (id) values ('shop')"))
        await tx.run(text("update device set active = false"))
    await send(client, body([device(1, user_id="other", platform="web", project="shop")]))
    moved, other = await registered(database)
    assert (moved.id, moved.user_id, moved.platform, moved.project_id) == (before[0].id, "other", "web", "shop")
    assert (moved.active, other.active) == (True, False)


async def test_registering_what_is_registered_changes_nothing(client: httpx.AsyncClient, database: Database) -> None:
    """Not even the time of the last change: an import may be sent again and again."""
    lines = body(map(device, range(100)))
    await send(client, lines)
    before = await registered(database)
    assert (await send(client, lines)).json()["registered"] == 100
    assert await registered(database) == before


async def test_of_two_lines_with_one_target_the_last_wins(client: httpx.AsyncClient, database: Database) -> None:
    """However far apart they are."""
    lines = [device(0, user_id="first"), *map(device, range(1, CHUNK + 5)), device(0, user_id="last")]
    await send(client, body(lines))
    assert {row.user_id for row in await registered(database) if row.target == "token-0"} == {"last"}


async def test_bad_lines_are_told_and_the_others_are_registered(client: httpx.AsyncClient, database: Database) -> None:
    """By number, with what is wrong."""
    lines = body([device(1)]) + b"nonsense\n" + body([device(2, colour="red"), device(3, project="nowhere"), device(4)])
    answer = await send(client, lines)
    assert answer.status_code == 200
    result = answer.json()
    assert (result["received"], result["registered"], result["rejected"]) == (5, 2, 3)
    assert [error["line"] for error in result["errors"]] == [2, 3, 4]
    assert "nowhere" in result["errors"][2]["problem"]
    assert len(await registered(database)) == 2


async def test_a_body_of_only_bad_lines_is_a_problem(client: httpx.AsyncClient) -> None:
    """Such as a JSON array, or a page of HTML."""
    for content in (b"[\n]\n", b"<html>\n</html>"):
        answer = await send(client, content)
        assert answer.status_code == 422
        problem = answer.json()
        assert problem["type"] == "urn:carillon:problem:nothing-registered"
        assert (problem["received"], problem["rejected"]) == (2, 2)
        assert [error["line"] for error in problem["errors"]] == [1, 2]


async def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(client: httpx.AsyncClient) -> None:
    """The answer comes while the client still sends."""
    answer = await send(client, b"x" * 3_000_000)
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:carillon:problem:too-large"


async def test_a_client_that_leaves_keeps_what_was_committed(client: httpx.AsyncClient, database: Database) -> None:
    """Whole chunks; sending the whole body again completes it."""
    lines = body(map(device, range(2 * CHUNK)))

    async def broken() -> AsyncIterator[bytes]:
        yield lines
        await eventually(lambda: committed(database, at_least=CHUNK))
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await send(client, broken())
    assert (await send(client, lines)).json()["registered"] == 2 * CHUNK
    assert len(await registered(database)) == 2 * CHUNK


async def committed(database: Database, at_least: int) -> bool:
    """Whether so many devices are in the registry."""
    return len(await registered(database)) >= at_least


async def test_imports_that_meet_on_the_same_devices_all_succeed(client: httpx.AsyncClient, database: Database) -> None:
    """In opposite order, with different users: each target ends with one of them."""
    numbers = range(2 * CHUNK)
    answers = await asyncio.gather(
        send(client, body(device(number, user_id="a") for number in numbers)),
        send(client, body(device(number, user_id="b") for number in reversed(numbers))),
    )
    assert [answer.json()["registered"] for answer in answers] == [2 * CHUNK] * 2
    devices = await registered(database)
    assert len(devices) == 2 * CHUNK
    assert {row.user_id for row in devices} <= {"a", "b"}
