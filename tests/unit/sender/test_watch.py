"""What a sender sees of the campaigns that it holds."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import TextClause

from services.sender import watch as module
from services.sender.watch import Watch
from shared.db import Database, Reader
from tests.support.eventually import eventually


class FakeReader(Reader):
    """Campaigns as they are written here."""

    def __init__(self, campaigns: Mapping[int, tuple[str, int]]) -> None:
        self._campaigns = campaigns

    async def all(self, _statement: TextClause, values: Mapping[str, Any] | None = None) -> Sequence[Any]:
        """Read those that are asked for."""
        ids = (values or {})["ids"]
        return [SimpleNamespace(id=id_, status=self._campaigns[id_][0], steered=self._campaigns[id_][1]) for id_ in ids]


class FakeDatabase(Database):
    """A database with two campaigns."""

    def __init__(self) -> None:
        super().__init__("postgresql://nobody@localhost/none", name="test", pool=1)
        self.campaigns: dict[int, tuple[str, int]] = {1: ("sending", 0), 2: ("sending", 3)}

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Reader]:
        """Read them."""
        yield FakeReader(self.campaigns)


async def test_a_pause_and_another_rate_are_seen_while_a_batch_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """And forgotten with the last batch of the campaign."""
    monkeypatch.setattr(module, "LOOK", 0.001)
    database = FakeDatabase()
    watch = Watch(database)
    running = asyncio.create_task(watch.run())
    try:
        with watch.hold(1), watch.hold(2):
            assert not watch.steered(2, 3)
            database.campaigns = {1: ("paused", 0), 2: ("sending", 4)}
            await eventually(lambda: watch.stopped(1))
            await eventually(lambda: watch.steered(2, 3))
            assert not watch.stopped(2)
            assert not watch.steered(2, 4)
            assert not watch.steered(1, 0)
        await eventually(lambda: not watch.stopped(1))
    finally:
        running.cancel()
