"""A database in memory that understands the ledger's own statements, each as a function over rows.

So `shared.ledger` and the services' stores run as they are, and only what SQL does is written twice. A transaction is
whole or nothing, and none begins inside another: a store's call awaits nothing of the world's, so it is one instant.
What row locks and SKIP LOCKED decide in PostgreSQL is decided here by which call comes first.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from functools import cached_property
from itertools import count
from types import TracebackType
from typing import Any, TypeVar

from sqlalchemy import TextClause

from shared.db import Database, Writer
from tests.chaos.simulation.condition import Condition
from tests.chaos.simulation.ledger.rows import (
    Batch,
    Campaign,
    Device,
    Error,
    Event,
    Plan,
    Project,
    Queued,
    Row,
    Stop,
)

K = TypeVar("K")
R = TypeVar("R", bound=Row)
Values = Mapping[str, Any]


class Tables:
    """Rows by their keys; dictionaries keep the order in which rows came."""

    def __init__(self) -> None:
        self.projects: dict[str, Project] = {}
        self.devices: dict[int, Device] = {}
        self.campaigns: dict[int, Campaign] = {}
        self.plans: dict[int, Plan] = {}
        self.paces: dict[int, float] = {}
        self.batches: dict[tuple[int, int], Batch] = {}
        self.events: dict[tuple[int, int], Event] = {}
        self.errors: dict[tuple[int, str], Error] = {}
        self.outbox: dict[int, Queued] = {}
        self.stops: dict[int, Stop] = {}
        self.device_ids = count(1)
        self.campaign_ids = count(1)
        self.outbox_ids = count(1)
        self.stop_ids = count(1)


class Transaction(Writer):
    """One transaction: it notes what it replaces, so that it can be undone."""

    def __init__(self, tables: Tables, now: float, condition: Condition | None = None) -> None:
        self.tables = tables
        self.now = now
        self._condition = condition
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []

    @cached_property
    def at(self) -> datetime:
        """The transaction's time as PostgreSQL gives it out."""
        return datetime.fromtimestamp(self.now, UTC)

    def put(self, table: dict[K, R], key: K, row: R) -> R:
        """Insert or update a row."""
        self._undo.append((table, key, table.get(key)))
        table[key] = row
        return row

    def set_pace(self, campaign_id: int, tat: float | None) -> None:
        """Set or forget the clock of a campaign's own rate."""
        paces = self.tables.paces
        self._undo.append((paces, campaign_id, paces.get(campaign_id)))
        if tat is None:
            paces.pop(campaign_id, None)
        else:
            paces[campaign_id] = tat

    def batch(self, batch: Batch, **changed: Any) -> Batch:
        """Update a batch."""
        return self.put(self.tables.batches, (batch.campaign_id, batch.batch_no), batch.but(**changed))

    def campaign(self, campaign: Campaign, **changed: Any) -> Campaign:
        """Update a campaign."""
        return self.put(self.tables.campaigns, campaign.id, campaign.but(**changed))

    def batches_of(self, campaign_id: int, *states: str) -> list[Batch]:
        """A campaign's batches by number, in some states or all."""
        return [
            batch
            for batch in self.tables.batches.values()
            if batch.campaign_id == campaign_id and (not states or batch.state in states)
        ]

    @property
    def changed(self) -> bool:
        """Whether there is something to commit."""
        return bool(self._undo)

    def undo(self) -> None:
        """Roll back."""
        for table, key, before in reversed(self._undo):
            if before is None:
                table.pop(key, None)
            else:
                table[key] = before

    async def all(self, statement: TextClause, values: Values | None = None) -> Sequence[Any]:
        """Every row."""
        return self._do(statement, values)

    async def first(self, statement: TextClause, values: Values | None = None) -> Any | None:
        """The first row, if any."""
        rows = self._do(statement, values)
        return rows[0] if rows else None

    async def run(self, statement: TextClause, values: Values | None = None) -> int:
        """Execute and return the number of rows touched."""
        return len(self._do(statement, values))

    def _do(self, statement: TextClause, values: Values | None) -> Sequence[Any]:
        known = STATEMENTS.get(statement.text)
        if known is None:
            raise NotImplementedError(f"The ledger in memory does not know this statement:\n{statement.text}")
        if self._condition is not None:
            self._condition.say(statement.text)
        return known(self, values or {})


Handler = Callable[[Transaction, Values], Sequence[Any]]
STATEMENTS: dict[str, Handler] = {}
"""What each statement does, by its text; the rows that it returns or has touched."""


def does(*statements: TextClause) -> Callable[[Handler], Handler]:
    """Say that a function does what a statement of the ledger does."""

    def register(handler: Handler) -> Handler:
        for statement in statements:
            if statement.text in STATEMENTS:
                raise ValueError(f"Done twice:\n{statement.text}")
            STATEMENTS[statement.text] = handler
        return handler

    return register


class Opened:
    """A transaction as a context manager: what `asynccontextmanager` does, at a third of its cost."""

    __slots__ = ("_memory", "_transaction")

    def __init__(self, memory: "Memory") -> None:
        self._memory = memory

    async def __aenter__(self) -> Transaction:
        memory = self._memory
        if memory.open:
            raise RuntimeError("A transaction began inside another: a call on the ledger in memory is one instant.")
        if memory.condition is not None:
            async with memory.translated():
                memory.condition.connect()
        memory.open = True
        self._transaction = Transaction(memory.tables, memory.now(), memory.condition)
        return self._transaction

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        memory = self._memory
        memory.open = False
        if kind is not None:
            self._transaction.undo()
        if memory.condition is None:
            return
        async with memory.translated():
            if error is not None:
                raise error
            if self._transaction.changed:
                memory.condition.commit(self._transaction.undo)


class Memory(Database):
    """A `Database` without PostgreSQL; `now` tells its time in seconds since 1970.

    While it has a `condition` it refuses what that says, and services are told of it as `shared.db` tells them.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.tables = Tables()
        self.now = now
        self.open = False
        self.condition: Condition | None = None
        self._told = None

    def translated(self) -> AbstractAsyncContextManager[None]:
        """What `shared.db` makes of an error of PostgreSQL's."""
        return self._translated()

    def write(self) -> Any:
        """A transaction that commits at the end of the block."""
        return Opened(self)

    def read(self) -> Any:
        """The same: in one instant nothing changes."""
        return Opened(self)

    def single(self) -> Any:
        """The same, for one statement."""
        return Opened(self)

    async def check(self) -> str | None:
        """It is always there."""
        return None

    async def close(self) -> None:
        """There is nothing to close."""
