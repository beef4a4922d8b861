"""The outbox's table in memory, under the services' own `Relay`.

A relay's transaction locks the rows that it takes until it commits or its process is gone; what it deleted stays when
it does not commit.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from sqlalchemy import TextClause

from shared import outbox
from shared.errors import DatabaseUnavailableError
from tests.chaos.simulation.boundary import Boundary
from tests.chaos.simulation.ledger.memory import Memory


class Row(Protocol):
    """A row of the outbox."""

    id: int
    kind: str


class Rows:
    """The table and its locks; `table` holds rows of `database` by id, in the order of their ids."""

    def __init__(self, database: Memory) -> None:
        self.database = database
        self.table: dict[int, Any] = database.tables.outbox
        self.locked: set[int] = set()

    def take(self, kind: str, limit: int) -> list[Any]:
        """Lock and return what nobody else has locked."""
        rows = [row for row in self.table.values() if row.kind == kind and row.id not in self.locked][:limit]
        self.locked.update(row.id for row in rows)
        return rows

    def release(self, rows: Sequence[Any], done: Sequence[int]) -> None:
        """End a transaction: delete what it has done, unlock the rest."""
        for id_ in done:
            self.table.pop(id_, None)
        self.locked.difference_update(row.id for row in rows)


class OutboxDatabase:
    """As much of a `Database` as a `Relay` uses."""

    def __init__(self, rows: Rows, boundary: Boundary) -> None:
        self._rows = rows
        self._boundary = boundary
        self._open: dict[int, Transaction] = {}
        boundary.process.when_dead(self._roll_back_all)

    @asynccontextmanager
    async def write(self) -> AsyncGenerator["Transaction"]:
        """A transaction on the outbox."""
        transaction = Transaction(self._rows, self._boundary)
        self._open[id(transaction)] = transaction
        try:
            async with self._rows.database.translated():
                yield transaction
                await transaction.commit()
        finally:
            transaction.roll_back()
            del self._open[id(transaction)]

    def _roll_back_all(self) -> None:
        for transaction in self._open.values():
            transaction.roll_back()


class Transaction:
    """Rows taken and rows done."""

    def __init__(self, rows: Rows, boundary: Boundary) -> None:
        self._rows = rows
        self._boundary = boundary
        self._taken: list[Any] = []
        self._done: list[int] = []
        self._over = False

    async def all(self, statement: TextClause, values: Mapping[str, Any]) -> list[Any]:
        """Take rows."""
        assert statement is outbox.TAKE
        return await self._boundary.call("outbox: take", lambda: self._take(values), DatabaseUnavailableError)

    async def run(self, statement: TextClause, values: Mapping[str, Any]) -> int:
        """Note what is done; it is so when the transaction commits."""
        assert statement is outbox.DONE
        self._done = list(values["ids"])
        return len(self._done)

    async def commit(self) -> None:
        """Make it so."""
        if self._taken:
            await self._boundary.call("outbox: commit", self._commit, DatabaseUnavailableError)

    def roll_back(self) -> None:
        """Let go of what is still locked."""
        if not self._over:
            self._over = True
            self._rows.release(self._taken, [])

    def _take(self, values: Mapping[str, Any]) -> list[Any]:
        if (condition := self._rows.database.condition) is not None:
            condition.connect()
            condition.say(outbox.TAKE.text)
        self._taken = [] if self._over else self._rows.take(values["kind"], values["limit"])
        return self._taken

    def _commit(self) -> None:
        if self._over:
            return
        if (condition := self._rows.database.condition) is not None:
            condition.say(outbox.DONE.text)
            condition.commit(self.roll_back)
        self._over = True
        self._rows.release(self._taken, self._done)
