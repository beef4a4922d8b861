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
from sqlalchemy import TextClause, text
from sqlalchemy.engine import CursorResult, Row
from sqlalchemy.exc import DBAPIError, InterfaceError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.errors import DatabaseUnavailableError

log = structlog.get_logger()
T = TypeVar("T")

CONNECT_RETRY = 0.5
"""Seconds between attempts at start."""
RETRYABLE = {"40001", "40P01"}
"""Serialization failure and deadlock: PostgreSQL chose this transaction to go again."""
DEADLOCK_TRIES = 5
UNAVAILABLE = ("08", "53", "57P", "57014", "58")
"""SQLSTATE classes of a server that is gone, full, shutting down, broken or too slow (57014 is the statement
timeout): nothing is wrong with the statement."""


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
        self.engine: AsyncEngine = create_async_engine(
            as_sqlalchemy_url(url),
            pool_size=pool,
            max_overflow=0,
            pool_timeout=30,
            pool_pre_ping=False,
            hide_parameters=True,  # an error's text goes to the logs, and values are users' ids and tokens
            connect_args={
                "dsn": url,
                "timeout": 10,
                "command_timeout": statement_timeout + 5,
                "server_settings": {
                    "application_name": name,
                    "statement_timeout": str(int(statement_timeout * 1000)),
                    "idle_in_transaction_session_timeout": "60000",
                    "jit": "off",
                },
            },
        )
        self._single = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Reader]:
        """A read-only transaction; raises `DatabaseUnavailableError` when PostgreSQL is not there."""
        async with _translated(), self.engine.connect() as connection:
            yield Reader(connection)

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[Writer]:
        """A transaction that commits at the end of the block; raises `DatabaseUnavailableError` likewise."""
        async with _translated(), self.engine.begin() as connection:
            yield Writer(connection)

    @asynccontextmanager
    async def single(self) -> AsyncGenerator[Writer]:
        """For one statement, which is a transaction by itself: BEGIN and COMMIT are two ways to PostgreSQL less.

        A second statement in the block would be a second transaction. Raises as `write`.
        """
        async with _translated(), self._single.connect() as connection:
            yield Writer(connection)

    async def again(self, work: Callable[[Writer], Awaitable[T]]) -> T:
        """Run `work` in a transaction, and again when PostgreSQL chose it as a deadlock's victim.

        Raises `DatabaseUnavailableError` when it is one each time: `work` is good, and may be tried again later.
        """
        for attempt in range(DEADLOCK_TRIES):
            try:
                async with self.write() as tx:
                    return await work(tx)
            except DBAPIError as error:
                if sqlstate(error) not in RETRYABLE:
                    raise
                if attempt == DEADLOCK_TRIES - 1:
                    raise DatabaseUnavailableError(
                        f"PostgreSQL ended the transaction {DEADLOCK_TRIES} times ({sqlstate(error)}), so that others "
                        f"could go on. Look at pg_stat_activity for what holds its locks."
                    ) from error
                log.warning("transaction.again", sqlstate=sqlstate(error))
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
                    f"PostgreSQL did not answer at {self.engine.url.render_as_string(hide_password=True)} within "
                    f"{timeout:.0f} s: {fault}. Check that it runs and that CARILLON_DATABASE_URL is right."
                )
            log.warning("database.waiting", error=fault)
            await asyncio.sleep(CONNECT_RETRY)

    async def check(self) -> str | None:
        """None when PostgreSQL answers, else why not."""
        try:
            async with asyncio.timeout(5), self.read() as tx:
                await tx.first(text("select 1"))
        except (DatabaseUnavailableError, SQLAlchemyError, TimeoutError) as error:
            return f"{type(error).__name__}: {error}"
        return None

    async def close(self) -> None:
        """Close the pool."""
        await self.engine.dispose()


def as_sqlalchemy_url(url: str) -> str:
    """`postgresql://…` with the asyncpg driver named, without what only asyncpg understands (`?sslmode=…`).

    Give asyncpg the whole URL beside it, as `connect_args={"dsn": url}`.
    """
    return url.partition("?")[0].replace("postgresql://", "postgresql+asyncpg://", 1)


def sqlstate(error: DBAPIError) -> str:
    """The five letters that PostgreSQL gave, or none."""
    return str(getattr(error.orig, "sqlstate", None) or "")


@asynccontextmanager
async def _translated() -> AsyncGenerator[None]:
    """A gone server becomes `DatabaseUnavailableError`; a wrong statement stays what it is."""
    try:
        yield
    except DBAPIError as error:
        gone = isinstance(error, InterfaceError) or error.connection_invalidated
        if gone or sqlstate(error).startswith(UNAVAILABLE):
            raise DatabaseUnavailableError(f"{type(error.orig).__name__}: {error.orig}") from error
        raise
    except (OSError, TimeoutError, PoolTimeoutError) as error:
        raise DatabaseUnavailableError(f"{type(error).__name__}: {error}") from error
