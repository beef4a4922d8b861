"""The desk of every contract test, once over memory and once over PostgreSQL, with a clock that stands still."""

from collections.abc import AsyncGenerator

import pytest

from services.planner import window
from shared import clock
from tests.contracts.ledger.desk import SIZE, STEP, Desk, Time
from tests.contracts.ledger.memory import MemoryDesk
from tests.contracts.ledger.postgresql import postgresql_desk


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """Give the one clock of ledger and services; batches and steps are small."""
    virtual = Time()
    monkeypatch.setattr(clock, "now", virtual.as_datetime)
    monkeypatch.setattr(window, "MAX_BATCH", SIZE)
    monkeypatch.setattr(window, "STEP_BATCHES", STEP)
    return virtual


@pytest.fixture(params=["memory", "postgresql"])
def where(request: pytest.FixtureRequest) -> str | None:
    """Give the URL of a database, None for the ledger in memory."""
    return str(request.getfixturevalue("database_url")) if request.param == "postgresql" else None


@pytest.fixture
async def desk(where: str | None, time: Time) -> AsyncGenerator[Desk]:
    """Give a ledger of the test's own."""
    if where is None:
        yield MemoryDesk(time)
        return
    async with postgresql_desk(where, time) as opened:
        yield opened
