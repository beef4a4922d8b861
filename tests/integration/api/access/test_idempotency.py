"""`Idempotency-Key` over a running API, and over processes that die."""

import asyncio
import uuid
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from services.api.access import idempotency
from services.api.access.idempotency import Answer, Ticket
from services.api.http.problems import ProblemError
from shared.db import Database
from tests.integration.api.access.test_keys import bearer, make

CAMPAIGN = {"title": "t", "body": "b", "audience": {"kind": "all"}}
OLD = text("update idempotency set created_at = created_at - make_interval(secs => :seconds)")


async def create(client: httpx.AsyncClient, key: str, **changes: Any) -> httpx.Response:
    """Create a campaign under a key."""
    return await client.post("/v1/campaigns", json={**CAMPAIGN, **changes}, headers={"Idempotency-Key": key})


async def campaigns(database: Database) -> int:
    """How many there are."""
    async with database.read() as tx:
        row = await tx.first(text("select count(*) as n from campaign"))
    assert row is not None
    return int(row.n)


async def test_a_repeated_request_is_answered_again_and_not_done_again(
    client: httpx.AsyncClient, database: Database
) -> None:
    """With status, body and Location, and a header that says so."""
    first, again = await create(client, "k1"), await create(client, "k1")
    assert (again.status_code, again.content) == (first.status_code, first.content) == (201, first.content)
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert await campaigns(database) == 1


async def test_a_refusal_is_repeated_too(client: httpx.AsyncClient) -> None:
    """What could be sent when it was asked for again was not asked for then."""
    campaign = (await create(client, "k1")).json()
    headers = {"Idempotency-Key": "k2"}
    refused = await client.post(f"/v1/campaigns/{campaign['id']}/resume", headers=headers)
    assert refused.status_code == 409
    await client.post(f"/v1/campaigns/{campaign['id']}/send")
    await client.post(f"/v1/campaigns/{campaign['id']}/pause")
    again = await client.post(f"/v1/campaigns/{campaign['id']}/resume", headers=headers)
    assert (again.status_code, again.content) == (409, refused.content)


async def test_a_key_is_for_one_request(client: httpx.AsyncClient) -> None:
    """Another body or address under it is refused."""
    campaign = (await create(client, "k1")).json()
    other = await create(client, "k1", title="another")
    assert (other.status_code, other.json()["type"]) == (422, "urn:carillon:problem:idempotency-key-reused")
    elsewhere = await client.post(f"/v1/campaigns/{campaign['id']}/send", headers={"Idempotency-Key": "k1"})
    assert elsewhere.status_code == 422


async def test_a_key_is_its_callers_own(client: httpx.AsyncClient, database: Database) -> None:
    """Two callers may choose the same."""
    made = await make(client, "operator")
    await create(client, "k1")
    answer = await client.post("/v1/campaigns", json=CAMPAIGN, headers={"Idempotency-Key": "k1", **bearer(made["key"])})
    assert answer.status_code == 201
    assert await campaigns(database) == 2


async def test_of_many_at_once_one_is_done(client: httpx.AsyncClient, database: Database) -> None:
    """The others are told to wait, or are answered when it is done."""
    answers = await asyncio.gather(*(create(client, "k1") for _ in range(8)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert {answer.json()["type"] for answer in answers if answer.status_code == 409} <= {
        "urn:carillon:problem:request-in-progress"
    }
    assert await campaigns(database) == 1
    assert (await create(client, "k1")).status_code == 201


async def test_a_refused_key_is_not_taken(client: httpx.AsyncClient) -> None:
    """What a role may not do now it may be allowed later."""
    viewer = await make(client, "viewer")
    headers = {"Idempotency-Key": "k1", **bearer(viewer["key"])}
    assert (await client.post("/v1/campaigns", json=CAMPAIGN, headers=headers)).status_code == 403
    assert (await client.post("/v1/campaigns", json=CAMPAIGN, headers=headers)).status_code == 403


async def test_a_new_key_is_not_kept_for_a_repeated_request(client: httpx.AsyncClient, database: Database) -> None:
    """It was shown once; the repeated request makes no other and is told which it was."""
    wanted, headers = {"name": "a viewer", "role": "viewer"}, {"Idempotency-Key": "k1"}
    made = (await client.post("/v1/keys", json=wanted, headers=headers)).json()
    again = await client.post("/v1/keys", json=wanted, headers=headers)
    assert (again.status_code, again.json()["resource"]) == (409, f"keys/{made['id']}")
    async with database.read() as tx:
        rows = await tx.all(text("select idempotency::text as told, body from idempotency"))
    assert made["key"] not in str(rows)


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
async def test_what_is_no_key_is_a_problem(client: httpx.AsyncClient, key: str) -> None:
    """It names the header."""
    answer = await create(client, key)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "Idempotency-Key"


async def test_a_body_that_is_too_large_is_refused_under_a_key_too(client: httpx.AsyncClient) -> None:
    """And leaves the key free."""

    async def stream() -> Any:
        for _ in range(5):
            yield b" " * 1_000_000

    headers = {"Idempotency-Key": "k1", "Content-Type": "application/json"}
    assert (await client.post("/v1/campaigns", content=stream(), headers=headers)).status_code == 413
    assert (await create(client, "k1")).status_code == 201


async def test_a_streamed_body_is_answered_again_and_not_done_again(client: httpx.AsyncClient) -> None:
    """A second upload would be a second list."""
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": "k1"}
    body = "".join(f'"user-{number}"\n' for number in range(20_000))
    first, again = [await client.post("/v1/lists?name=new", content=body, headers=headers) for _ in range(2)]
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len((await client.get("/v1/lists")).json()["items"]) == 1


async def test_a_key_is_for_one_streamed_body(client: httpx.AsyncClient) -> None:
    """Other lines under it are refused, and so is another address."""
    line = '{"user_id":"u","platform":"ios","target":{"kind":"token","value":"t"}}'
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": "k1"}
    assert (await client.post("/v1/devices/bulk", content=line, headers=headers)).json()["registered"] == 1
    assert (await client.post("/v1/devices/bulk", content=line, headers=headers)).json()["registered"] == 1
    for path, body in (("/v1/devices/bulk", line * 2), ("/v1/lists?name=new", line)):
        other = await client.post(path, content=body, headers=headers)
        assert (other.status_code, other.json()["type"]) == (422, "urn:carillon:problem:idempotency-key-reused")


async def test_a_stream_that_was_refused_unread_frees_its_key(client: httpx.AsyncClient) -> None:
    """Nobody knows what it said, and nobody holds it in memory to find out."""
    refused = await client.post("/v1/lists?name=new", content=b"x" * 10_000_000, headers={"Idempotency-Key": "k1"})
    assert refused.status_code == 415
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": "k1"}
    assert (await client.post("/v1/lists?name=new", content='"u"', headers=headers)).status_code == 201


async def test_an_answer_is_forgotten_after_a_day(client: httpx.AsyncClient, database: Database) -> None:
    """Also before maintenance has come by."""
    await create(client, "k1")
    async with database.write() as tx:
        await tx.run(OLD, {"seconds": 86_401})
    assert (await create(client, "k1", title="another")).status_code == 201


REQUEST = b"request"


def ticket() -> Ticket:
    """A request's ticket for one and the same key."""
    return Ticket(0, "k", uuid.uuid4().hex)


async def problem(database: Database, request: bytes = REQUEST) -> str:
    """Why a repeated request is not done."""
    with pytest.raises(ProblemError) as caught:
        await idempotency.take(database, ticket(), request)
    return caught.value.kind.slug


async def test_a_request_that_died_before_its_change_is_done_by_the_next(database: Database) -> None:
    """After it counts as dead; and what it may still do is refused in its own transaction."""
    dead = ticket()
    assert await idempotency.take(database, dead, REQUEST) is None
    assert await problem(database) == "request-in-progress"
    async with database.write() as tx:
        await tx.run(OLD, {"seconds": idempotency.UNDER_WAY + 1})
    assert await problem(database, b"other") == "idempotency-key-reused"
    assert await idempotency.take(database, ticket(), REQUEST) is None
    with pytest.raises(ProblemError):
        async with database.write() as tx:
            await idempotency.mark_done(tx, dead, "campaigns/7")


async def test_a_request_that_died_behind_its_change_is_never_done_again(database: Database) -> None:
    """The next one is told what was changed."""
    dead = ticket()
    await idempotency.take(database, dead, REQUEST)
    async with database.write() as tx:
        await idempotency.mark_done(tx, dead, "campaigns/7")
        await tx.run(OLD, {"seconds": idempotency.UNDER_WAY + 1})
    with pytest.raises(ProblemError) as caught:
        await idempotency.take(database, ticket(), REQUEST)
    assert (caught.value.kind.slug, caught.value.more) == ("answer-lost", {"resource": "campaigns/7"})


async def test_a_failed_request_frees_its_key_unless_its_change_was_made(database: Database) -> None:
    """A 503 at the commit may be either."""
    failed = ticket()
    await idempotency.take(database, failed, REQUEST)
    await idempotency.let_go(database, failed)
    unsure = ticket()
    assert await idempotency.take(database, unsure, REQUEST) is None
    async with database.write() as tx:
        await idempotency.mark_done(tx, unsure, "campaigns/7")
    await idempotency.let_go(database, unsure)
    assert await problem(database) == "answer-lost"


async def test_a_kept_answer_comes_back_as_it_was(database: Database) -> None:
    """Bytes and all."""
    one = ticket()
    await idempotency.take(database, one, REQUEST)
    answer = Answer(201, {"location": "/v1/campaigns/7"}, b"\x00\xff")
    await idempotency.keep(database, one, answer)
    assert await idempotency.take(database, ticket(), REQUEST) == answer
