"""Uploaded lists."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from services.api.audiences.cleaning import Cleaning
from services.api.audiences.list_upload import CHUNK
from shared.db import Database
from tests.support.eventually import eventually

NDJSON = {"Content-Type": "application/x-ndjson"}
CSV = {"Content-Type": "text/csv"}


def ids(numbers: range) -> bytes:
    """Lines of user ids."""
    return b"".join(b'"user-%d"\n' % number for number in numbers)


async def upload(client: httpx.AsyncClient, body: Any, path: str = "/v1/lists?name=Buyers") -> httpx.Response:
    """Upload user ids."""
    return await client.post(path, content=body, headers=NDJSON, timeout=30)


async def test_an_uploaded_list_has_each_user_once(client: httpx.AsyncClient) -> None:
    """Over several chunks; bad lines are told."""
    answer = await upload(client, ids(range(CHUNK + 10)) + b"user-x\n" + ids(range(5)))
    assert (answer.status_code, answer.headers["Location"]) == (201, f"/v1/lists/{answer.json()['id']}")
    uploaded = answer.json()
    assert (uploaded["state"], uploaded["size"], uploaded["added"]) == ("ready", CHUNK + 10, CHUNK + 10)
    assert (uploaded["received"], uploaded["rejected"]) == (CHUNK + 16, 1)
    assert uploaded["errors"][0]["line"] == CHUNK + 11
    read = (await client.get(answer.headers["Location"])).json()
    assert {name: uploaded[name] for name in read} == read
    assert (await client.get("/v1/lists")).json()["items"] == [read]


async def test_csv_has_a_column_of_users(client: httpx.AsyncClient) -> None:
    """Other columns are passed over."""
    answer = await client.post("/v1/lists?name=c", content=b"n,user_id\n1,a\n2,b\n", headers=CSV)
    assert answer.json()["size"] == 2


async def test_users_are_added_until_a_campaign_is_sent(client: httpx.AsyncClient) -> None:
    """An audience that grew while it is planned would be none."""
    path = (await upload(client, ids(range(3)))).headers["Location"]
    added = (await upload(client, ids(range(2, 6)), f"{path}/users")).json()
    assert (added["added"], added["size"]) == (3, 6)
    list_id = added["id"]
    campaign = {"title": "t", "body": "b", "audience": {"kind": "list", "list_id": list_id}}
    campaign_id = (await client.post("/v1/campaigns", json=campaign)).json()["id"]
    assert (await client.delete(path)).status_code == 409
    assert (await client.post(f"/v1/campaigns/{campaign_id}/send")).status_code == 202
    sealed = await upload(client, ids(range(9)), f"{path}/users")
    assert (sealed.status_code, sealed.json()["type"]) == (409, "urn:carillon:problem:list-sealed")
    assert (await client.get(path)).json()["sealed_at"] is not None


async def test_an_upload_that_is_cut_short_is_no_audience_until_it_is_completed(client: httpx.AsyncClient) -> None:
    """By the whole body again."""
    body = ids(range(3 * CHUNK))

    async def broken() -> AsyncIterator[bytes]:
        yield body
        await eventually(grown)
        raise ConnectionResetError

    async def grown() -> bool:
        return any(one["size"] for one in (await client.get("/v1/lists")).json()["items"])

    with pytest.raises(ConnectionResetError):
        await upload(client, broken())
    (cut,) = (await client.get("/v1/lists")).json()["items"]
    assert cut["state"] == "loading"
    audience = {"kind": "list", "list_id": cut["id"]}
    campaign = {"title": "t", "body": "b", "audience": audience}
    assert (await client.post("/v1/campaigns", json=campaign)).status_code == 422
    done = (await upload(client, body, f"/v1/lists/{cut['id']}/users")).json()
    assert (done["state"], done["size"]) == ("ready", 3 * CHUNK)
    assert (await client.post("/v1/campaigns", json=campaign)).status_code == 201


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"name;user\na;b\n", 422, "one of them user_id"),
        (b"user_id,user_id\na,b\n", 422, "2 of them are"),
        (b"PK\x03\x04" + bytes(60), 422, ".xlsx"),
        ("\ufeffuser_id\nu-1\n".encode("utf-16-le") + b"x", 422, "does not go on so"),
        (b'user_id\nu-1\n"' + b"x\n" * 1_000_000, 413, "each quote closed"),
    ],
)
async def test_a_body_that_is_refused_makes_no_list(
    client: httpx.AsyncClient, body: bytes, status: int, said: str
) -> None:
    """Rather than one that is loading for ever."""
    answer = await client.post("/v1/lists?name=c", content=body, headers=CSV)
    assert (answer.status_code, "No list was made." in answer.json()["detail"]) == (status, True)
    assert said in answer.json()["detail"]
    assert (await client.get("/v1/lists")).json()["items"] == []


async def test_a_deleted_list_is_gone_at_once_and_its_members_in_steps(
    client: httpx.AsyncClient, database: Database
) -> None:
    """Nobody waits for ten million rows."""
    path = (await upload(client, ids(range(20)))).headers["Location"]
    kept = (await upload(client, ids(range(4)))).json()["id"]
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404
    cleaning = Cleaning(database)

    async def gone() -> bool:
        await cleaning.step()
        async with database.read() as tx:
            row = await tx.first(text("select count(*) as n, min(list_id) as list_id from audience_list_member"))
        return row is not None and (row.n, row.list_id) == (4, kept)

    await eventually(gone)
    async with database.read() as tx:
        assert [row.id for row in await tx.all(text("select id from audience_list"))] == [kept]


async def test_a_body_of_only_bad_lines_makes_no_list(client: httpx.AsyncClient) -> None:
    """Such as a page of HTML."""
    answer = await upload(client, b"<html>\n</html>\n")
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:carillon:problem:nothing-registered")
    assert (await client.get("/v1/lists")).json()["items"] == []


async def test_an_empty_list_is_a_list_of_nobody(client: httpx.AsyncClient) -> None:
    """An export of nobody is no error."""
    assert (await upload(client, b"")).json()["size"] == 0


@pytest.mark.parametrize("name", ["", "x" * 101, "a%00"])
async def test_a_list_has_a_name(client: httpx.AsyncClient, name: str) -> None:
    """That people can read."""
    assert (await upload(client, b"", f"/v1/lists?name={name}")).status_code == 422
