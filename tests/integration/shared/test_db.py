"""What trouble with PostgreSQL becomes: unavailable, go again, or a fault of the statement."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from deploy.local.ports import free_port
from shared import db
from shared.db import DEADLOCK_TRIES, Database, Writer
from shared.errors import DatabaseUnavailableError
from shared.sqlstates import sqlstate

ONE = text("select 1 as one")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Open a database with two connections."""
    opened = Database(database_url, name="test", pool=2)
    yield opened
    await opened.close()


async def kill(url: str, pid: int) -> None:
    """End a connection from outside, as a restart of PostgreSQL would."""
    admin = Database(url, name="admin", pool=1)
    async with admin.write() as tx:
        assert await tx.first(text("select pg_terminate_backend(:pid, 5000)"), {"pid": pid}) is not None
    await admin.close()


async def test_a_block_without_error_commits_and_one_with_an_error_does_not(database: Database) -> None:
    """One transaction, opened at the edge."""
    async with database.write() as tx:
        assert await tx.run(text("insert into project (id) values ('kept')")) == 1

    async def fail() -> None:
        async with database.write() as tx:
            await tx.run(text("insert into project (id) values ('undone')"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with database.read() as reader:
        rows = await reader.all(text("select id from project order by id"))
        assert [row.id for row in rows] == ["default", "kept"]
        assert await reader.first(text("select id from project where id = 'undone'")) is None


async def test_a_connection_that_is_cut_is_unavailable_and_the_next_block_gets_a_new_one(
    database: Database, database_url: str
) -> None:
    """In the middle of a transaction."""

    async def cut() -> None:
        async with database.write() as tx:
            row = await tx.first(text("select pg_backend_pid() as pid"))
            assert row is not None
            await kill(database_url, row.pid)
            await tx.first(ONE)

    with pytest.raises(DatabaseUnavailableError):
        await cut()
    async with database.read() as reader:
        assert await reader.first(ONE) is not None


async def test_a_connection_that_was_cut_while_it_rested_is_unavailable_once(
    database: Database, database_url: str
) -> None:
    """Not for each connection of the pool in turn."""
    async with database.read() as reader:
        row = await reader.first(text("select pg_backend_pid() as pid"))
    assert row is not None
    await kill(database_url, row.pid)
    with pytest.raises(DatabaseUnavailableError):
        async with database.read() as reader:
            await reader.first(ONE)
    async with database.read() as reader:
        assert await reader.first(ONE) is not None


async def test_a_statement_that_takes_too_long_is_unavailable(database_url: str) -> None:
    """A server under such load is in trouble; the message that asked must not be called poison."""
    slow = Database(database_url, name="test", pool=1, statement_timeout=0.1)
    with pytest.raises(DatabaseUnavailableError, match="statement timeout"):
        async with slow.read() as tx:
            await tx.first(text("select pg_sleep(5)"))
    await slow.close()


async def test_a_pool_that_stays_empty_is_unavailable(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection hangs on a server in trouble."""

    def impatient(url: str, **how: Any) -> AsyncEngine:
        return create_async_engine(url, **{**how, "pool_timeout": 0.1})

    monkeypatch.setattr("shared.db.create_async_engine", impatient)
    small = Database(database_url, name="test", pool=1)
    async with small.read() as tx:
        await tx.first(ONE)
        with pytest.raises(DatabaseUnavailableError, match="QueuePool limit"):
            async with small.read() as second:
                await second.first(ONE)
    await small.close()


@pytest.mark.parametrize(
    ("statement", "values", "state"),
    [
        ("select 1 / cast(:n as integer)", {"n": 0}, "22012"),
        ("select cast(:n as integer)", {"n": 2**40}, "22000"),
        ("select cast(:n as text)", {"n": "a\0b"}, "22021"),
    ],
)
async def test_a_value_that_is_wrong_stays_what_it_is(
    database: Database, statement: str, values: dict[str, object], state: str
) -> None:
    """Waiting would not help: the caller gets the error, and its message is a poison message."""
    with pytest.raises(DBAPIError) as error:
        async with database.read() as tx:
            await tx.first(text(statement), values)
    assert sqlstate(error.value) == state


async def test_a_violated_constraint_stays_what_it_is(database: Database) -> None:
    """The caller knows what to make of it."""
    with pytest.raises(IntegrityError, match="project_id_check"):
        async with database.write() as tx:
            await tx.run(text("insert into project (id) values ('Not A Name')"))


async def test_a_deadlocks_victim_goes_again(database: Database) -> None:
    """Two transactions that lock two rows crosswise both end."""
    async with database.write() as tx:
        await tx.run(text("insert into project (id) values ('one'), ('two')"))
    lock = text("update project set rate = rate + 1 where id = :id")
    met = asyncio.Barrier(2)
    tries = 0

    async def cross(first: str, second: str) -> None:
        waited = False

        async def work(tx: Writer) -> None:
            nonlocal tries, waited
            tries += 1
            await tx.run(lock, {"id": first})
            if not waited:
                waited = True
                await met.wait()
            await tx.run(lock, {"id": second})

        await database.again(work)

    await asyncio.gather(cross("one", "two"), cross("two", "one"))
    assert tries == 3
    async with database.read() as reader:
        rows = await reader.all(text("select rate from project where id in ('one', 'two')"))
    assert [row.rate for row in rows] == [10_002, 10_002]


async def test_a_transaction_that_is_always_the_victim_is_held_and_no_fault_of_its_own(database: Database) -> None:
    """Its message would be buried as poison otherwise."""
    tries = 0

    async def work(tx: Writer) -> None:
        nonlocal tries
        tries += 1
        await tx.run(text("do 'begin raise sqlstate ''40P01''; end'"))

    with pytest.raises(DatabaseUnavailableError, match=r"5 times.*40P01.*pg_stat_activity"):
        await database.again(work)
    assert tries == DEADLOCK_TRIES


async def test_a_wrong_statement_does_not_go_again(database: Database) -> None:
    """Only what PostgreSQL chose as a victim does."""
    tries = 0

    async def work(tx: Writer) -> None:
        nonlocal tries
        tries += 1
        await tx.run(text("select nothing"))

    with pytest.raises(DatabaseUnavailableError, match=r"42703.*nothing"):
        await database.again(work)
    assert tries == 1


async def test_a_server_that_is_not_there_is_given_up_with_what_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Address and variable are named, the password is not."""
    monkeypatch.setattr(db, "CONNECT_RETRY", 0.05)
    away = Database(f"postgresql://carillon:secret@127.0.0.1:{free_port()}/carillon", name="test", pool=1)
    with pytest.raises(DatabaseUnavailableError) as error:
        await away.wait(0.2)
    assert "within 0 s" in str(error.value)
    assert "CARILLON_DATABASE_URL" in str(error.value)
    assert "secret" not in str(error.value)
    assert "ConnectionRefusedError" in str(await away.check())
    await away.close()


async def test_a_server_that_answers_is_not_waited_for(database: Database) -> None:
    """Neither at start nor for readiness."""
    await database.wait(5)
    assert await database.check() is None


async def test_operators_see_whose_connection_it_is(database: Database) -> None:
    """By the service's name."""
    async with database.read() as tx:
        row = await tx.first(text("select current_setting('application_name') as name"))
    assert row is not None
    assert row.name == "test"


async def test_a_single_statement_is_committed_by_itself(database: Database) -> None:
    """And the connection it used begins transactions again afterwards, which can be undone."""
    async with database.single() as tx:
        assert await tx.run(text("insert into project (id) values ('kept')")) == 1

    async def fail_after_a_statement() -> None:
        async with database.write() as tx:
            await tx.run(text("delete from project where id = 'kept'"))
            raise ZeroDivisionError

    for _ in range(2):  # on each connection of the pool
        with pytest.raises(ZeroDivisionError):
            await fail_after_a_statement()
    async with database.read() as reader:
        assert await reader.first(text("select id from project where id = 'kept'")) is not None


async def test_a_single_statement_whose_connection_is_cut_is_unavailable(database: Database) -> None:
    """As in a transaction; the next one gets a new connection."""

    async def cut() -> None:
        async with database.single() as tx:
            await tx.run(text("select pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(DatabaseUnavailableError):
        await cut()
    async with database.single() as tx:
        assert await tx.first(ONE) is not None
