"""PostgreSQL answers and refuses, in mid-campaign: no process ends, no message is buried, nobody is pushed twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest

from tests.flow.system import System
from tests.support.eventually import eventually

pytestmark = pytest.mark.timeout(180)

STRIKE = 4.0
"""Seconds that a state lasts at the least: longer than three tries at a message take."""


@asynccontextmanager
async def struck(system: System, state: str) -> AsyncIterator[None]:
    """Have PostgreSQL in that state until the block ends, for `STRIKE` seconds at the least."""
    admin = await asyncpg.connect(system.stack.database_url)
    user = await admin.fetchval("select current_user")
    bad, good = STATES[state]
    cut = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = any($1)"
    try:
        for statement in bad:
            await admin.execute(statement.format(user=user))
        if state != "read only":
            await admin.execute(cut, ["api", "planner", "sender", "aggregator"])
        loop = asyncio.get_running_loop()
        until = loop.time() + STRIKE
        try:
            yield
            await eventually(lambda: loop.time() > until, within=STRIKE + 1)
        finally:
            for statement in good:
                await admin.execute(statement.format(user=user))
    finally:
        await admin.close()


STATES = {
    "read only": (
        ["alter system set default_transaction_read_only = on", "select pg_reload_conf()"],
        [
            "set default_transaction_read_only = off",
            "alter system reset default_transaction_read_only",
            "select pg_reload_conf()",
        ],
    ),
    "user refused": (["alter role {user} nologin"], ["alter role {user} login"]),
    "short timeouts": (
        [
            "alter role {user} set lock_timeout = '1s'",
            "alter role {user} set default_transaction_isolation = 'serializable'",
        ],
        ["alter role {user} reset lock_timeout", "alter role {user} reset default_transaction_isolation"],
    ),
}


@pytest.mark.parametrize("state", STATES)
async def test_a_state_of_postgresql_in_mid_campaign_repeats_nothing(system: System, state: str) -> None:
    """A service that must write holds its messages, reports it in readiness, and goes on with them afterwards."""
    await system.fcm.follow({"shares": {}, "latency": "fixed:100ms"})
    pids = {name: process.pid for name, process in system.stack.processes.items()}
    campaign_id = await system.send(await system.audience(6000), rate=1000)
    await system.accepted(campaign_id, at_least=1000)
    async with struck(system, state):
        await DURING[state](system)
    verdict = await system.settled(campaign_id, within=60)
    assert verdict.letters == {"A": 6000}
    assert verdict.duplicates == 0
    assert await system.dead_letters() == 0
    assert {name: process.pid for name, process in system.stack.processes.items() if process.running} == pids
    await eventually(lambda: _told(system, 200, ""), within=20)


async def _takes_no_writes(system: System) -> None:
    """Every service is not ready and says why; a POST may be sent again later."""
    await eventually(lambda: _told(system, 503, "PostgreSQL takes no writes"), within=10)
    answer = await system.api.post("/v1/keys", json={"name": "k", "role": "viewer"})
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "PostgreSQL takes no writes" in answer.json()["detail"]
    assert int(answer.headers["Retry-After"]) > 0
    assert (await system.api.get("/v1/campaigns")).status_code == 200


async def _refuses_us(system: System) -> None:
    """Readiness names what to look at."""
    await eventually(lambda: _told(system, 503, "check user and password in CARILLON_DATABASE_URL"), within=10)


async def _holds_a_lock(system: System) -> None:
    """Longer than the user's lock_timeout."""
    loop = asyncio.get_running_loop()
    async with system.frozen("campaign_batch"):
        await system.hangs("sender")
        until = loop.time() + STRIKE
        await eventually(lambda: loop.time() > until, within=STRIKE + 1)


DURING: dict[str, Callable[[System], Awaitable[None]]] = {
    "read only": _takes_no_writes,
    "user refused": _refuses_us,
    "short timeouts": _holds_a_lock,
}


async def _told(system: System, status: int, words: str) -> bool:
    for service in system.stack.services.values():
        answer = await system.api.get(f"{service.url}/health/ready")
        assert answer.status_code == status, f"{service.name}: {answer.text}"
        assert words in answer.text
    return True
