"""Readiness: what turns it red, and what it only tells."""

import json
from collections.abc import Mapping

import pytest
from httpx import ASGITransport, AsyncClient

from shared.observability.probes import probes_app, readiness
from shared.version import VERSION


async def well() -> str | None:
    """Report nothing missing."""
    return None


async def missing() -> str | None:
    """Report something missing."""
    return "no consumer"


async def noted() -> Mapping[str, str]:
    """Tell of a project."""
    return {"project default": "circuit open: PERMISSION_DENIED"}


async def test_notes_are_told_and_turn_nothing_red() -> None:
    """The deployment that mends a project must become ready while it is broken."""
    answer = await readiness({"database": well}, noted)
    assert answer.status_code == 200
    assert json.loads(bytes(answer.body)) == {"status": "ready", "notes": await noted()}


async def test_what_is_missing_is_red_and_named() -> None:
    """All that is missing, by check."""
    answer = await readiness({"database": well, "lane high": missing}, noted)
    assert answer.status_code == 503
    assert json.loads(bytes(answer.body)) == {"status": "not ready", "missing": {"lane high": "no consumer"}}


async def test_nothing_to_note_adds_nothing() -> None:
    """The usual answer stays short."""
    assert json.loads(bytes((await readiness({"database": well})).body)) == {"status": "ready"}


async def test_a_worker_that_lives_tells_its_version() -> None:
    """By the same sentence as the API."""
    probes = ASGITransport(app=probes_app({}))
    async with AsyncClient(transport=probes, base_url="http://worker") as client:
        assert (await client.get("/health/live")).json() == {"status": "alive", "version": VERSION}


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics"])
async def test_head_is_answered_without_a_body(path: str) -> None:
    """Monitors and balancers send it."""
    async with AsyncClient(transport=ASGITransport(app=probes_app({})), base_url="http://worker") as client:
        answer = await client.head(path)
    assert (answer.status_code, int(answer.headers["Content-Length"]) > 0) == (200, True)
