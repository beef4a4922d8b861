"""Imports as jobs."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from services.api.devices.imports.ingest import CHUNK
from shared.db import Database
from tests.support.eventually import eventually

NDJSON = {"Content-Type": "application/x-ndjson"}
CSV = {"Content-Type": "text/csv; charset=utf-8"}
CUT = text("""
    select pg_terminate_backend(pid) from pg_stat_activity
     where application_name = 'api' and datname = current_database()
""")
COUNT = text("select count(*) as n from device")


def lines(count: int) -> bytes:
    """Lines of devices."""
    return b"".join(
        json.dumps({"user_id": f"u{n}", "platform": "ios", "target": {"kind": "token", "value": f"t{n}"}}).encode()
        + b"\n"
        for n in range(count)
    )


async def announce(client: httpx.AsyncClient, **wanted: Any) -> int:
    """Announce an import; returns its number."""
    answer = await client.post("/v1/imports", json=wanted)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/v1/imports/{answer.json()['id']}"
    return int(answer.json()["id"])


async def send(
    client: httpx.AsyncClient, import_id: int, body: Any, headers: dict[str, str] = NDJSON
) -> httpx.Response:
    """Send an import's body."""
    return await client.put(f"/v1/imports/{import_id}/lines", content=body, headers=headers, timeout=30)


async def read(client: httpx.AsyncClient, import_id: int) -> dict[str, Any]:
    """Read how far it is."""
    job: dict[str, Any] = (await client.get(f"/v1/imports/{import_id}")).json()
    return job


async def registered(database: Database) -> int:
    """How many devices there are."""
    async with database.read() as tx:
        row = await tx.first(COUNT)
    assert row is not None
    return int(row.n)


async def test_an_import_tells_what_came_of_it_and_has_its_rejected_lines(
    client: httpx.AsyncClient, database: Database
) -> None:
    """Each with its number, its fault and itself, to be repaired and sent as another import."""
    import_id = await announce(client, name="Export", format="ndjson")
    assert (await read(client, import_id))["state"] == "waiting"
    body = lines(2) + b"nonsense\n\n" + lines(3)[-60:]
    done = (await send(client, import_id, body)).json()
    assert (done["state"], done["received"], done["registered"], done["rejected"]) == ("done", 4, 2, 2)
    assert done["completed_at"] is not None
    assert await registered(database) == 2
    rejected = await client.get(f"/v1/imports/{import_id}/rejected")
    assert rejected.headers["Content-Type"].startswith("application/x-ndjson")
    entries = [json.loads(line) for line in rejected.text.splitlines()]
    assert [entry["line"] for entry in entries] == [3, 5]
    assert entries[0] == {"line": 3, "problem": entries[0]["problem"], "content": "nonsense"}
    assert (await client.get("/v1/imports")).json()["items"] == [done]


async def test_a_csv_import_registers_what_is_known_of_devices(client: httpx.AsyncClient) -> None:
    """By the columns that its first line names."""
    import_id = await announce(client, format="csv")
    body = 'user_id,platform,token,locale,attributes.plan\n"Kim, 민수",ios,tok-1,ko_KR,pro\nbad\n'
    done = (await send(client, import_id, body.encode(), CSV)).json()
    assert (done["received"], done["registered"], done["rejected"], done["lines"]) == (2, 1, 1, 3)
    (device,) = (await client.get("/v1/devices", params={"user_id": "Kim, 민수"})).json()["items"]
    assert (device["locale"], device["attributes"]) == ("ko-KR", {"plan": "pro"})


async def test_a_line_break_within_quotes_is_no_device_and_lines_keep_their_numbers(client: httpx.AsyncClient) -> None:
    """As editors number them: a record that is refused is told by its first line, and `lines` counts all of them."""
    import_id = await announce(client, format="csv")
    body = 'sep=;\nUSER_ID;platform;token;attributes.note\nu-1  ;iOS;t-1;"one\nu-2;ios;t-2;"\n'
    body += '"q\n2";ios;t-3;x\nu-4;ios;t"4;x'
    done = (await send(client, import_id, body.encode(), CSV)).json()
    assert (done["received"], done["registered"], done["rejected"], done["lines"]) == (3, 1, 2, 7)
    rejected = [json.loads(line) for line in (await client.get(f"/v1/imports/{import_id}/rejected")).text.splitlines()]
    assert [(one["line"], one["content"]) for one in rejected] == [(5, '"q\n2";ios;t-3;x'), (7, 'u-4;ios;t"4;x')]
    assert "column 3: a quote stands in a cell" in rejected[1]["problem"]
    (device,) = (await client.get("/v1/devices", params={"user_id": "u-1"})).json()["items"]
    assert device["attributes"] == {"note": "one\nu-2;ios;t-2;"}
    assert (await client.get("/v1/devices", params={"user_id": "u-2"})).json()["items"] == []


async def test_what_is_null_or_an_empty_cell_stays_as_it_is(client: httpx.AsyncClient) -> None:
    """Tools write a null for whatever a row does not say; what another user's device had goes all the same."""
    await client.put("/v1/projects/shop", json={"rate": 100})
    target = {"kind": "token", "value": "t"}
    attributes = {"plan": "pro", "city": "Seoul", "score": 7}
    known: dict[str, Any] = {"user_id": "u", "platform": "ios", "target": target, "project": "shop", "locale": "ko"}
    known["attributes"] = attributes
    assert (await client.put("/v1/devices", json=known)).status_code == 201

    async def told(**said: Any) -> tuple[Any, Any]:
        line = {**known, "locale": None, "project": None, **said}
        done = (await send(client, await announce(client), json.dumps(line).encode())).json()
        assert done["registered"] == 1, done
        (device,) = (await client.get("/v1/devices", params={"user_id": line["user_id"]})).json()["items"]
        assert device["locale"] == "ko"
        return device["project"], device["attributes"]

    assert await told(attributes=None) == ("shop", attributes)
    assert await told(attributes={"plan": None, "city": None}) == ("shop", attributes)
    assert await told(attributes={"plan": None, "city": "Busan", "new": None}) == (
        "shop",
        {"plan": "pro", "city": "Busan"},
    )
    rows = "user_id,platform,token,project,attributes.plan,attributes.city\nu,ios,t,,,Jeju\n"
    await send(client, await announce(client, format="csv"), rows.encode(), CSV)
    (device,) = (await client.get("/v1/devices", params={"user_id": "u"})).json()["items"]
    assert (device["project"], device["attributes"]) == ("shop", {"plan": "pro", "city": "Jeju"})
    upsert = await client.put("/v1/devices", json={**known, "project": None, "attributes": {"city": None, "n": 1}})
    assert (upsert.json()["project"], upsert.json()["attributes"]) == ("shop", {"city": "Jeju", "n": 1})
    assert await told(user_id="v", attributes={"city": None, "n": 2}) == ("shop", {"n": 2})
    assert await told(user_id="w", target={"kind": "token", "value": "t"}, attributes={"n": None}) == ("shop", {})


@pytest.mark.parametrize("path", ["/v1/devices/bulk", "/v1/imports", "/v1/lists?name=a"])
async def test_lines_may_come_packed(client: httpx.AsyncClient, database: Database, path: str) -> None:
    """In members behind each other; another encoding is refused, and a body that is cut short, or no gzip."""
    packed = {**NDJSON, "Content-Encoding": "gzip"}
    one, other = (b'"a"\n', b'"b"\n') if "lists" in path else (lines(1), lines(2))
    body = gzip.compress(one) + gzip.compress(other)

    async def sent(content: bytes, headers: dict[str, str]) -> httpx.Response:
        if path != "/v1/imports":
            return await client.post(path, content=content, headers=headers)
        return await send(client, await announce(client), content, headers)

    done = await sent(body, packed)
    assert (done.status_code < 300, done.json()["received"]) == (True, 2 if "lists" in path else 3)
    said = {
        "cut short": await sent(body[:-3], packed),
        "not the gzip": await sent(one, packed),
        "Content-Encoding: gzip": await sent(body, NDJSON),
    }
    for words, answer in said.items():
        assert (answer.status_code, words in answer.json()["detail"]) == (422, True), answer.text
    assert (await sent(body, {**NDJSON, "Content-Encoding": "br"})).status_code == 415


async def test_progress_can_be_followed_and_a_cut_is_gone_on_behind(
    client: httpx.AsyncClient, database: Database
) -> None:
    """What is counted is in the registry, at any moment; the same body again completes it."""
    count = 3 * CHUNK
    import_id, body = await announce(client), lines(count)

    async def broken() -> AsyncIterator[bytes]:
        yield body[: len(body) * 2 // 3]
        await eventually(lambda: moved(client, import_id))
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await send(client, import_id, broken())

    async def interrupted() -> bool:
        return bool((await read(client, import_id))["state"] == "interrupted")

    await eventually(interrupted)
    cut = await read(client, import_id)
    assert cut["problem"] == "The client left."
    assert CHUNK <= cut["received"] == cut["registered"] == await registered(database) < count
    done = (await send(client, import_id, body)).json()
    assert (done["state"], done["received"], done["registered"]) == ("done", count, count)
    assert await registered(database) == count


@pytest.mark.parametrize("format_", ["ndjson", "csv"])
async def test_an_import_outlives_its_connections(client: httpx.AsyncClient, database: Database, format_: str) -> None:
    """PostgreSQL restarts or fails over: what it had in hand is written again, and counted once."""
    count = 4 * CHUNK
    import_id = await announce(client, format=format_)
    rows = "".join(f"u{n},ios,t{n},pro\n" for n in range(count))
    body = lines(count) if format_ == "ndjson" else f"user_id,platform,token,attributes.plan\n{rows}".encode()

    async def running() -> bool:
        async with database.read() as tx:
            return bool(await tx.all(text("select id from import_job where state = 'running'")))

    async def cut() -> AsyncIterator[bytes]:
        for start in range(0, len(body), len(body) // 8 + 1):
            yield body[start : start + len(body) // 8 + 1]
            await eventually(running)  # before that nothing is in hand, and the request is refused
            async with database.read() as tx:
                await tx.all(CUT)

    done = (await send(client, import_id, cut(), CSV if format_ == "csv" else NDJSON)).json()
    assert (done["state"], done["received"], done["registered"]) == ("done", count, count)
    assert await registered(database) == count


async def moved(client: httpx.AsyncClient, import_id: int) -> bool:
    """Whether an import has committed something."""
    return bool((await read(client, import_id))["lines"])


async def test_of_two_requests_for_one_import_the_later_goes_on(client: httpx.AsyncClient, database: Database) -> None:
    """The other is told; every line is counted once."""
    count = 4 * CHUNK
    import_id, body = await announce(client), lines(count)
    go_on = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield body[: len(body) // 2]
        await go_on.wait()
        yield body[len(body) // 2 :]

    first = asyncio.create_task(send(client, import_id, slow()))
    await eventually(lambda: moved(client, import_id))
    second = await send(client, import_id, body)
    go_on.set()
    assert (second.status_code, second.json()["received"]) == (200, count)
    refused = await first
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:carillon:problem:import-busy")
    job = await read(client, import_id)
    assert (job["state"], job["received"], job["registered"]) == ("done", count, count)
    assert await registered(database) == count


async def test_what_is_done_is_not_begun_again(client: httpx.AsyncClient) -> None:
    """Another body is another import."""
    import_id = await announce(client)
    await send(client, import_id, lines(1))
    assert (await send(client, import_id, lines(2))).status_code == 409


async def test_a_body_of_the_other_format_is_refused(client: httpx.AsyncClient) -> None:
    """Before anything of it is read; the import waits for the right one."""
    import_id = await announce(client, format="csv")
    answer = await send(client, import_id, lines(1))
    assert (answer.status_code, "text/csv" in answer.json()["detail"]) == (415, True)
    assert (await read(client, import_id))["state"] == "waiting"
    columns = await send(client, import_id, b"user,phone\n", CSV)
    assert (columns.status_code, "missing" in columns.json()["detail"]) == (422, True)
    job = await read(client, import_id)
    assert (job["state"], "missing" in job["problem"]) == ("interrupted", True)


@pytest.mark.parametrize("path", ["/v1/imports/7", "/v1/imports/7/rejected"])
async def test_an_import_that_is_not_there_is_told_so(client: httpx.AsyncClient, path: str) -> None:
    """Or no longer."""
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:carillon:problem:no-such-import")
    assert (await send(client, 7, b"")).status_code == 404
