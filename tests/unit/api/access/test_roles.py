"""Isolation: every route by every role, each just as the table says."""

import re
from collections.abc import AsyncGenerator, Iterator

import httpx
import pytest
from fastapi import FastAPI

from services.api import web
from services.api.access.keys import Keys
from services.api.access.roles import MAY, Principal, Role
from services.api.resources import Resources
from tests.unit.api.access.role_table import ANYONE, TABLE
from tests.unit.api.test_web import AwayDatabase, database, resources

__all__ = ["database", "resources"]

FREE = {"/health/live", "/health/ready", "/metrics"}
REFUSED = {401, 403}
STREAMS = ("/events", "/export")


class RoleKeys(Keys):
    """Keys that are the names of roles."""

    async def find(self, offered: str) -> Principal | None:
        """Whoever has that role."""
        return Principal(offered, Role(offered)) if offered in set(Role) else None


@pytest.fixture
def app(resources: Resources, database: AwayDatabase) -> FastAPI:
    """An API that takes the names of roles for keys, and whose servers are away."""
    resources.rooms = (RoleKeys(database, b""), *resources.rooms)
    return web.build(resources)


def operations(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Method and path of every route."""
    for path, methods in app.openapi()["paths"].items():
        for method in methods:
            yield method.upper(), path


@pytest.fixture
async def client(app: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    """A client without a key."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        yield client


async def ask(client: httpx.AsyncClient, operation: str, key: str | None) -> int:
    """The status that a key gets there."""
    method, path = operation.split(" ")
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    try:
        answer = await client.request(method, re.sub(r"\{\w+\}", "7", path), content=b"{}", headers=headers)
    except AssertionError:
        # A stream had begun with its 200 when it found the servers away, and broke off.
        assert path.endswith(STREAMS)
        return 200
    return answer.status_code


def test_the_table_has_every_route_and_no_other(app: FastAPI) -> None:
    """A route that nobody has given a role is a hole."""
    said = {f"{method} {path}" for method, path in operations(app) if path not in FREE}
    assert said == TABLE.keys()


def test_the_openapi_names_the_role_that_each_route_needs(app: FastAPI) -> None:
    """Beside the key, for people who make keys."""
    paths = app.openapi()["paths"]
    said = {operation: paths[operation.split(" ")[1]][operation.split(" ")[0].lower()] for operation in TABLE}
    told = {operation: found["security"][0]["key"] for operation, found in said.items()}
    assert told == {operation: [] if least is ANYONE else [least] for operation, least in TABLE.items()}


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_can_do_just_what_its_table_says(client: httpx.AsyncClient, role: Role) -> None:
    """Whatever else is wrong with the request: a role that may is never told that it may not, and the other way."""
    wrong = {}
    for operation, least in TABLE.items():
        status = await ask(client, operation, role)
        may = least is ANYONE or least in MAY[role]
        if may == (status in REFUSED):
            wrong[operation] = status
    assert wrong == {}


@pytest.mark.parametrize("key", [None, "nobody"])
async def test_without_a_key_nothing_below_v1_is_answered(client: httpx.AsyncClient, key: str | None) -> None:
    """Known addresses and unknown ones alike."""
    for operation in [*TABLE, "GET /v1/nothing"]:
        assert await ask(client, operation, key) == 401, operation


def test_an_app_servers_key_reaches_nothing_but_devices() -> None:
    """It lies on many machines."""
    reached = {operation for operation, least in TABLE.items() if least in MAY[Role.INGEST]}
    assert all(re.match(r"\w+ /v1/(devices|imports)", operation) for operation in reached), reached
