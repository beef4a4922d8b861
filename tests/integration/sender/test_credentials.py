"""Access tokens from the emulator's OAuth endpoint."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from services.fcm_emulator.app import Emulator
from services.fcm_emulator.identity import Certificate, write_service_account
from services.fcm_emulator.script import Credentials as Granting
from services.fcm_emulator.script import Script
from services.sender.credentials import Credentials, CredentialsError
from tests.integration.sender.conftest import StartEmulator
from tests.support.eventually import eventually

Made = tuple[Emulator, Credentials, Callable[[str, str], None]]
Make = Callable[..., Awaitable[Made]]


@pytest.fixture
async def make(start_emulator: StartEmulator, certificate: Certificate, folder: Path) -> AsyncIterator[Make]:
    """Make an emulator, credentials that trust it, and a way to write a file: (name, project id)."""
    async with AsyncExitStack() as stack:

        async def make(**script: object) -> Made:
            emulator, server = await start_emulator(Script.model_validate(script))
            found = Credentials(folder, fcm_url=server.url + "/", ca_file=certificate.ca_file)
            stack.push_async_callback(found.close)

            def write(name: str, project: str) -> None:
                write_service_account(folder / f"{name}.json", project=project, token_uri=f"{server.url}/token")

            return emulator, found, write

        yield make


async def test_a_route_has_the_projects_url_and_a_bearer(make: Make) -> None:
    """The same route is given while its token is good."""
    _, found, write = await make()
    write("shop", "shop")
    route = await found.route("shop")
    assert route.url.endswith("/v1/projects/shop/messages:send")
    assert route.headers[0].startswith("authorization: Bearer ")
    assert await found.route("shop") is route


async def test_default_stands_for_any_project(make: Make) -> None:
    """An operator with one project need not name it."""
    _, found, write = await make()
    write("default", "acme-1234")
    assert (await found.route("default")).url.endswith("/v1/projects/acme-1234/messages:send")


async def test_callers_at_the_same_moment_share_one_fetch(make: Make) -> None:
    """A sender has many batches and one project."""
    _, found, write = await make()
    write("shop", "shop")
    routes = await asyncio.gather(*(found.route("shop") for _ in range(20)))
    assert len(set(map(id, routes))) == 1


async def test_a_stale_token_is_replaced_once(make: Make) -> None:
    """A hundred answers may say 401; one fetch is enough."""
    _, found, write = await make()
    write("shop", "shop")
    stale = await found.route("shop")
    routes = await asyncio.gather(*(found.refreshed(stale) for _ in range(20)))
    assert len(set(map(id, routes))) == 1
    assert routes[0] is not stale


async def test_a_token_near_its_end_is_renewed_beside_the_flow(make: Make) -> None:
    """Nobody waits for it: the old one is given until the new one is there."""
    _, found, write = await make(token_lifetime=300)
    write("shop", "shop")
    first = await found.route("shop")
    assert await found.route("shop") is first

    async def renewed() -> bool:
        return await found.route("shop") is not first

    await eventually(renewed)


async def test_a_new_file_is_used_without_a_restart(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are rotated by replacing the file."""
    monkeypatch.setattr("services.sender.credentials.LOOK", 0.0)
    _, found, write = await make()
    write("default", "old-project")
    assert "old-project" in (await found.route("default")).url
    write("default", "new-project")

    async def rotated() -> bool:
        return "new-project" in (await found.route("default")).url

    await eventually(rotated)


async def test_a_broken_new_file_leaves_the_old_token_in_use(
    make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half-written file costs a log line, not a campaign."""
    monkeypatch.setattr("services.sender.credentials.LOOK", 0.0)
    _, found, write = await make()
    write("shop", "shop")
    route = await found.route("shop")
    (folder / "shop.json").write_text("{")
    assert await found.route("shop") is route
    await eventually(lambda: found._accounts["shop"].failed_at > 0)
    assert await found.route("shop") is route


async def test_a_refused_key_is_said_clearly(make: Make) -> None:
    """Revoked in the console, or another clock: the operator learns which file."""
    _, found, write = await make(credentials=Granting.REFUSED)
    write("shop", "shop")
    with pytest.raises(CredentialsError, match=r"no access token for project 'shop' with .*shop\.json"):
        await found.route("shop")


async def test_each_unusable_file_is_named_with_what_to_do(make: Make, folder: Path) -> None:
    """Missing, not JSON, not a service account, another project's."""
    _, found, write = await make()
    write("other", "shop")
    (folder / "broken.json").write_text("{")
    (folder / "list.json").write_text("[]")
    (folder / "user.json").write_text(json.dumps({"type": "authorized_user"}))
    said = {
        "missing": "put its service-account file at",
        "broken": "is not a service-account file",
        "list": "is not a service-account file",
        "user": "is not a service-account file",
        "other": "belongs to project 'shop'",
        "../etc/passwd": "is not a project id",
    }
    for project, words in said.items():
        with pytest.raises(CredentialsError, match=words):
            await found.route(project)


async def test_a_batch_that_waited_for_its_quota_takes_the_newest_token(make: Make) -> None:
    """Another batch may have been refused meanwhile, and its token replaced."""
    _, credentials, write = await make()
    write("p", "p")
    first = await credentials.route("p")
    assert credentials.newest(first) is first
    second = await credentials.refreshed(first)
    assert credentials.newest(first) is second
