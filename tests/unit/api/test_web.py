"""Every refusal over ASGI, with a database that is away."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import httpx
import pytest
import structlog
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from services.api import web
from services.api.access.keys import Keys
from services.api.access.limits import Limits
from services.api.access.roles import digest
from services.api.campaigns.schemas import EXAMPLE
from services.api.http.problems import MEDIA_TYPE, URN
from services.api.resources import Resources
from services.api.results.event_feed import EventFeed
from services.api.system.broker_view import BrokerView
from services.api.system.dead_letter_desk import DeadLetterDesk
from shared.amqp.publisher import Publisher
from shared.db import Database, Reader, Writer
from shared.errors import BrokerUnavailableError, DatabaseUnavailableError
from shared.outbox import Relay
from shared.version import VERSION

KEY = "kT3-mVq9_xLw0ZbRe5"
JSON = {"Content-Type": "application/json"}


class AwayDatabase(Database):
    """PostgreSQL that raises `error` for every transaction."""

    def __init__(self) -> None:
        super().__init__("postgresql://nobody@localhost/none", name="test", pool=1)
        self.error: Exception = DatabaseUnavailableError("connection refused")

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Reader]:
        """Fail."""
        raise self.error
        yield

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[Writer]:
        """Fail."""
        raise self.error
        yield


class NoPublisher(Publisher):
    """A publisher that nobody uses."""

    def __init__(self) -> None:
        """Hold nothing."""


class NoBroker(BrokerView):
    """A broker that is away."""

    def __init__(self) -> None:
        """Hold nothing."""

    async def depth(self, queue: str) -> NoReturn:
        """Fail."""
        raise BrokerUnavailableError(f"{queue} cannot be asked")


class NoLetters(DeadLetterDesk):
    """Dead letters in a broker that is away."""

    def __init__(self) -> None:
        """Hold nothing."""

    async def look(self) -> NoReturn:
        """Fail."""
        raise BrokerUnavailableError("dead cannot be asked")


@pytest.fixture
def database() -> AwayDatabase:
    """PostgreSQL is away."""
    return AwayDatabase()


@pytest.fixture
def resources(database: AwayDatabase) -> Resources:
    """Resources of an API whose servers are away."""
    return Resources(
        database=database,
        commands=Relay(database, NoPublisher(), "command"),
        events=Relay(database, NoPublisher(), "event"),
        rooms=(Keys(database, digest(KEY)), Limits(1e6), NoBroker(), NoLetters(), EventFeed(database, most=1)),
        import_gate=asyncio.Semaphore(1),
        checks={"database": database.check},
    )


@pytest.fixture
async def client(resources: Resources) -> AsyncGenerator[httpx.AsyncClient]:
    """An operator's client."""
    transport = httpx.ASGITransport(web.build(resources))
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers) as client:
        yield client


def problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """Check that the answer is the problem, and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == MEDIA_TYPE
    body: dict[str, Any] = answer.json()
    assert (body["type"], body["status"]) == (URN + slug, status)
    assert body["detail"]
    assert body["instance"] == f"urn:carillon:request:{answer.headers['X-Request-ID']}"
    return body


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", f"Basic {KEY}", f"Bearer {KEY}x", "Bearer é"])
async def test_without_the_operator_key_nothing_is_answered(client: httpx.AsyncClient, authorization: str) -> None:
    """The answer says how to authenticate."""
    answer = await client.get("/v1/campaigns/active", headers={b"Authorization": authorization.encode("latin-1")})
    problem(answer, 401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_an_unknown_address_is_a_problem(client: httpx.AsyncClient) -> None:
    """Every 404 is."""
    problem(await client.get("/v1/nothing"), 404, "no-such-route")


async def test_a_wrong_method_is_a_problem_that_says_what_is_allowed(client: httpx.AsyncClient) -> None:
    """In the Allow header."""
    answer = await client.put("/v1/campaigns/active")
    problem(answer, 405, "method-not-allowed")
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("body", [b"{", b'{"title": }', b"[" * 100_000, b'{"title": "\xff"}', b"1" * 5000])
async def test_a_body_that_is_not_json_is_a_problem(client: httpx.AsyncClient, body: bytes) -> None:
    """Whatever is wrong with it."""
    problem(await client.post("/v1/campaigns", content=body, headers=JSON), 400, "malformed-body")


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_a_body_of_another_type_is_a_problem(client: httpx.AsyncClient, media: str) -> None:
    """Both for JSON and for lines."""
    headers = {"Content-Type": media}
    problem(await client.post("/v1/campaigns", content=b"{}", headers=headers), 415, "unsupported-media-type")
    problem(await client.post("/v1/devices/bulk", content=b"{}", headers=headers), 415, "unsupported-media-type")


async def test_compressed_lines_are_a_problem(client: httpx.AsyncClient) -> None:
    """Rather than a million lines that are not JSON; gzip alone is taken."""
    headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "br"}
    problem(await client.post("/v1/devices/bulk", content=b"x", headers=headers), 415, "unsupported-media-type")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"surprise": 1}, "/surprise"),
        ({"android": {"colour": "red"}}, "/android/colour"),
        ({"title": "x" * 101}, "/title"),
        ({"title": "\ud800"}, "/title"),
        ({"data": {"from": "x"}}, "/data/from"),
        ({"data": {"a/b": 1}}, "/data/a~1b"),
        ({"body": "가" * 1400}, ""),
        ({"audience": {"kind": "users", "user_ids": ["ok", ""]}}, "/audience/user_ids/1"),
        ({"audience": {"kind": "all", "users": []}}, "/audience/users"),
        ({"audience": {"kind": "users"}}, "/audience/user_ids"),
        ({"ttl_seconds": 10**30}, "/ttl_seconds"),
    ],
)
async def test_an_invalid_body_is_told_where_it_is_wrong(
    client: httpx.AsyncClient, change: dict[str, Any], where: str
) -> None:
    """By a JSON Pointer."""
    found = problem(
        await client.post("/v1/campaigns", content=json.dumps({**EXAMPLE, **change}), headers=JSON),
        422,
        "invalid-request",
    )
    assert [fault["pointer"] for fault in found["errors"]] == [where]


async def test_an_invalid_parameter_is_named(client: httpx.AsyncClient) -> None:
    """Of the path and of the query."""
    for url, name in (
        ("/v1/campaigns/abc", "campaign_id"),
        (f"/v1/campaigns/{2**63}", "campaign_id"),
        ("/v1/campaigns?limit=0", "limit"),
        ("/v1/campaigns?cursor=!", "cursor"),
    ):
        found = problem(await client.get(url), 422, "invalid-request")
        assert [fault["parameter"] for fault in found["errors"]] == [name]


async def test_a_body_that_is_too_large_is_a_problem_told_or_not_beforehand(client: httpx.AsyncClient) -> None:
    """By its Content-Length, or as it comes."""
    large = b" " * (web.MAX_BODY + 1)

    async def stream() -> AsyncGenerator[bytes]:
        yield large

    problem(await client.post("/v1/campaigns", content=large, headers=JSON), 413, "too-large")
    problem(await client.post("/v1/campaigns", content=stream(), headers=JSON), 413, "too-large")


@pytest.mark.parametrize("error", [DatabaseUnavailableError("refused"), PoolTimeoutError("pool")])
async def test_a_database_that_is_away_is_a_problem_to_try_again(
    client: httpx.AsyncClient, database: AwayDatabase, error: Exception
) -> None:
    """With a Retry-After."""
    database.error = error
    answer = await client.post("/v1/campaigns/7/send")
    problem(answer, 503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0


async def test_what_nobody_foresaw_is_a_problem_that_shows_nothing(
    client: httpx.AsyncClient, database: AwayDatabase
) -> None:
    """The logs have the rest."""
    database.error = ZeroDivisionError("secret")
    answer = await client.get("/v1/campaigns/7")
    problem(answer, 500, "internal")
    assert "secret" not in answer.text


async def test_every_answer_has_an_id_and_headers_of_safety(client: httpx.AsyncClient) -> None:
    """A client's own id comes back."""
    answer = await client.get("/health/live", headers={"X-Request-ID": "shop-7"})
    assert answer.headers["X-Request-ID"] == "shop-7"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_openapi_has_the_version(client: httpx.AsyncClient) -> None:
    """A client that is generated from it knows of which version it is."""
    assert (await client.get("/openapi.json")).json()["info"]["version"] == VERSION


async def test_probes_and_metrics_need_no_key(client: httpx.AsyncClient) -> None:
    """Readiness tells what is missing; liveness does not ask for it."""
    client.headers.pop("Authorization")
    assert (await client.get("/health/live")).json() == {"status": "alive", "version": VERSION}
    ready = await client.get("/health/ready")
    assert ready.status_code == 503
    assert "database" in ready.json()["missing"]
    metrics = await client.get("/metrics")
    assert 'route="/health/ready",status="503"' in metrics.text


async def test_requests_are_measured_by_the_route_as_it_is_written(client: httpx.AsyncClient) -> None:
    """Not by the campaign's number."""
    await client.get("/v1/campaigns/123456")
    metrics = (await client.get("/metrics")).text
    assert 'route="/v1/campaigns/{campaign_id}",status="503"' in metrics
    assert "123456" not in metrics


async def test_openapi_shows_examples_and_the_problems_of_every_route(client: httpx.AsyncClient) -> None:
    """Every reference in it leads somewhere."""
    schema = (await client.get("/openapi.json")).json()
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            said = (path, method, operation)
            assert operation["description"], said
            if path.startswith("/v1/"):
                assert {"401", "500"} <= operation["responses"].keys(), said
                assert operation["security"], said
                assert MEDIA_TYPE in operation["responses"]["401"]["content"], said
            if method == "post" and path in {"/v1/campaigns", "/v1/devices/bulk"}:
                assert "example" in str(operation["requestBody"]), said
    names = schema["components"]["schemas"]
    references = {part.split('"')[0] for part in str(schema).replace("'", '"').split("#/components/schemas/")[1:]}
    assert references <= names.keys()
    assert "HTTPValidationError" not in names


async def test_no_log_line_and_no_refusal_names_a_user_or_a_token(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Addresses hold users' ids, drivers' errors what was being written."""
    with structlog.testing.capture_logs() as logs:
        answers = [
            await client.delete("/v1/users/secret-user"),
            await client.put("/v1/suppressions/users/secret-user", json={}),
            await client.put("/v1/users/secret-user"),
            await client.get("/v1/user/secret-user"),
            await client.get("/v1/devices", params={"user_id": "secret-user"}),
            await client.get("/v1/campaigns/7"),
        ]
    said = "".join(map(str, [*logs, *caplog.records, *(answer.text for answer in answers)]))
    assert "secret-user" not in said
    routes = [line["route"] for line in logs if line["event"] == "request.answered"]
    assert routes[0] == "/v1/users/{user_id:path}"
    assert routes[3] == "unmatched"
    assert logs[-1]["campaign_id"] == "7"


def test_the_driver_tells_no_values_in_its_errors() -> None:
    """A failed statement is logged without what it was to write."""
    assert AwayDatabase().engine.sync_engine.hide_parameters
