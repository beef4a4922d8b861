"""PostgreSQL: one engine a process, one transaction a message or request, opened at the edge.

`Database.read()` yields a `Reader`, `Database.write()` a `Writer`: different types, so that a query that writes
cannot be handed a read-only transaction. The SQL itself is text in the ledger's modules and the services' stores.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import structlog
from sqlalchemy import TextClause, event, text
from sqlalchemy.engine import CursorResult, ExceptionContext, Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.errors import DatabaseUnavailableError
from shared.sessions import Sessions, relied_on
from shared.sqlstates import WORDS, find_trouble

log = structlog.get_logger()
T = TypeVar("T")

CONNECT_RETRY = 0.5
"""Seconds between attempts at start."""
DEADLOCK_TRIES = 5
READY_WITHIN = 5.0
"""Seconds that PostgreSQL has to answer that all is well."""
TOLD = 10.0
"""Seconds that readiness reports an error that a statement met: the statement is retried more often than that."""
READS_ONLY = text("select current_setting('transaction_read_only') = 'on' as so")


class Reader:
    """A transaction that only reads."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection

    async def all(self, statement: TextClause, values: Mapping[str, Any] | None = None) -> Sequence[Row[Any]]:
        """Every row."""
        return (await self.connection.execute(statement, values)).all()

    async def first(self, statement: TextClause, values: Mapping[str, Any] | None = None) -> Row[Any] | None:
        """The first row, if any."""
        return (await self.connection.execute(statement, values)).first()


class Writer(Reader):
    """A transaction that may write; it commits when its block ends without an error."""

    async def run(self, statement: TextClause, values: Mapping[str, Any] | None = None) -> int:
        """Execute and return the number of rows touched."""
        result: CursorResult[Any] = await self.connection.execute(statement, values)
        return result.rowcount

    async def driver(self) -> Any:
        """Asyncpg's own connection inside this transaction, for COPY."""
        raw = await self.connection.get_raw_connection()
        return raw.driver_connection


class Database:
    """The engine and its pool."""

    def __init__(self, url: str, *, name: str, pool: int, statement_timeout: float = 60.0) -> None:
        self._sessions = Sessions(
            url,
            name=name,
            settings=relied_on(statement_timeout=statement_timeout),
            command_timeout=statement_timeout + 5,
        )
        self.engine: AsyncEngine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._sessions.open,
            pool_size=pool,
            max_overflow=0,
            pool_timeout=30,
            pool_pre_ping=False,
            hide_parameters=True,  # an error's text goes to the logs, and values are users' ids and tokens
        )
        self._single = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._told: tuple[float, str] | None = None
        event.listen(self.engine.sync_engine, "connect", self._sessions.without_cache)
        event.listen(self.engine.sync_engine, "handle_error", _on_error)

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Reader]:
        """A read-only transaction; raises `DatabaseUnavailableError` when PostgreSQL is not there."""
        async with self._translated(), self.engine.connect() as connection, _left(connection):
            yield Reader(connection)

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[Writer]:
        """A transaction that commits at the end of the block; raises `DatabaseUnavailableError` likewise."""
        async with self._translated(), self.engine.begin() as connection, _left(connection):
            yield Writer(connection)

    @asynccontextmanager
    async def single(self) -> AsyncGenerator[Writer]:
        """For one statement, which is a transaction by itself: it saves the round trips of BEGIN and COMMIT.

        A second statement in the block would be a second transaction. Raises as `write`. Behind a pooler there is no
        transaction without BEGIN: what we rely on would not be said.
        """
        async with self._translated():
            if self._sessions.pooled is None:
                async with self.engine.connect():
                    pass
            engine = self.engine.begin() if self._sessions.pooled else self._single.connect()
            async with engine as connection, _left(connection):
                yield Writer(connection)

    async def again(self, work: Callable[[Writer], Awaitable[T]]) -> T:
        """Run `work` in a transaction, and retry it when PostgreSQL chose it as a deadlock's victim.

        Raises `DatabaseUnavailableError` when it is one each time: `work` is good, and may be tried again later.
        """
        for attempt in range(DEADLOCK_TRIES):
            try:
                async with self.write() as tx:
                    return await work(tx)
            except DatabaseUnavailableError as error:
                if not error.victim:
                    raise
                if attempt == DEADLOCK_TRIES - 1:
                    raise DatabaseUnavailableError(
                        f"{DEADLOCK_TRIES} times in turn: {error} Look at pg_stat_activity for what holds its locks."
                    ) from error
                log.warning("transaction.again", error=str(error))
        raise AssertionError("unreachable: the loop returns or raises")

    async def wait(self, timeout: float) -> None:  # noqa: ASYNC109 - bounds many attempts
        """Wait for PostgreSQL; raises `DatabaseUnavailableError` with what to check after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            fault = await self.check()
            if fault is None:
                return
            if time.monotonic() + CONNECT_RETRY > deadline:
                raise DatabaseUnavailableError(
                    f"PostgreSQL at {self._sessions.place} was not ready within {timeout:.0f} s: {fault} Check that it "
                    f"runs and that CARILLON_DATABASE_URL is right."
                )
            log.warning("database.waiting", error=fault)
            await asyncio.sleep(CONNECT_RETRY)

    async def check(self) -> str | None:
        """None when PostgreSQL answers and takes writes, else why not; trouble that a statement has just met counts."""
        try:
            async with asyncio.timeout(READY_WITHIN), self.read() as tx:
                row = await tx.first(READS_ONLY)
        except DatabaseUnavailableError as error:
            return str(error)
        except TimeoutError:
            return f"PostgreSQL did not answer within {READY_WITHIN:.0f} s."
        if row is None or row.so:
            return f"{WORDS['25006']}."
        if self._told is not None and time.monotonic() - self._told[0] < TOLD:
            return self._told[1]
        return None

    async def close(self) -> None:
        """Close the pool."""
        await self.engine.dispose()

    @asynccontextmanager
    async def _translated(self) -> AsyncGenerator[None]:
        """An infrastructure failure becomes `DatabaseUnavailableError`; an error of the data is raised unchanged."""
        try:
            yield
        except Exception as error:
            trouble = find_trouble(error)
            if trouble is None:
                raise
            if trouble.lasting:
                self._told = (time.monotonic(), trouble.detail)
            raise DatabaseUnavailableError(trouble.detail, said=trouble.said, victim=trouble.victim) from error


def _on_error(context: ExceptionContext) -> None:
    """Say which connections are of no more use: the pool then lets go of all that are as old."""
    trouble = find_trouble(context.sqlalchemy_exception or context.original_exception)
    if trouble is not None and trouble.leave:
        context.is_disconnect = True


@asynccontextmanager
async def _left(connection: AsyncConnection) -> AsyncGenerator[None]:
    """Close the connection after trouble that SQLAlchemy has not seen: a statement of the driver's own."""
    try:
        yield
    except Exception as error:
        trouble = find_trouble(error)
        if trouble is not None and trouble.leave and not connection.invalidated and not connection.closed:
            await connection.invalidate()
        raise
