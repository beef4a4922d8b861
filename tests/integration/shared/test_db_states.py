"""PostgreSQL in states that say nothing of a statement's data: each is trouble, told in words."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from deploy.local.ports import free_port
from shared.db import Database, Writer
from shared.errors import DatabaseUnavailableError
from shared.sqlstates import is_about_data
from tests.support.eventually import eventually

STATES = sorted(
    {
        str(getattr(kind, "sqlstate", ""))
        for kind in vars(asyncpg.exceptions).values()
        if isinstance(kind, type) and issubclass(kind, asyncpg.PostgresError) and getattr(kind, "sqlstate", None)
    }
    - {"00000", "01000", "02000"}  # success, warning, no data: nobody raises them
)
INSERT = text("insert into project (id) values (:id)")

RELIED_ON = text("""
    select current_setting('transaction_isolation'), current_setting('statement_timeout'),
           current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout'),
           current_setting('TimeZone'), current_setting('jit')
""")


class Role:
    """A user of the test's database with settings of its own, and the administrator who changes them."""

    def __init__(self, admin: asyncpg.Connection, url: str) -> None:
        self.admin = admin
        self.name = "app_" + urlsplit(url).path.removeprefix("/")
        parts = urlsplit(url)
        self.url = parts._replace(netloc=f"{self.name}:first@{parts.netloc.rpartition('@')[2]}").geturl()
        self.base = parts.path.removeprefix("/")

    async def says(self, *statements: str) -> None:
        """Execute as the administrator."""
        for statement in statements:
            await self.admin.execute(statement.format(role=self.name, base=self.base))

    async def cut(self) -> None:
        """End the role's connections, as a restart would."""
        await self.admin.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = $1", self.name
        )


@pytest.fixture
async def role(database_url: str) -> AsyncIterator[Role]:
    """Create a user who may do all that the services do."""
    admin = await asyncpg.connect(database_url)
    made = Role(admin, database_url)
    await made.says(
        "create role {role} login password 'first'",
        "grant select, insert, update, delete on all tables in schema public to {role}",
        "grant usage on all sequences in schema public to {role}",
    )
    yield made
    await made.cut()
    await made.says("drop owned by {role}", "drop role {role}")
    await admin.close()


@pytest.fixture
async def database(role: Role) -> AsyncIterator[Database]:
    """Open the database as that user."""
    opened = Database(role.url, name="test", pool=2)
    await opened.wait(10)
    yield opened
    await opened.close()


async def write(database: Database, id_: str = "kept") -> None:
    """Insert a row."""
    async with database.write() as tx:
        await tx.run(INSERT, {"id": id_})


async def test_whatever_postgresql_says_is_trouble_unless_it_is_about_data(database: Database) -> None:
    """Every state that the driver knows, raised by the server in a transaction; the next one works each time."""
    wrong = []
    for state in STATES:
        try:
            async with database.write() as tx:
                await tx.run(text(f"do 'begin raise sqlstate ''{state}''; end'"))
        except DatabaseUnavailableError:
            wrong += [state] if is_about_data(state) else []
        except DBAPIError:
            wrong += [] if is_about_data(state) else [state]
        async with database.read() as reader:
            assert await reader.first(text("select 1")) is not None
    assert len(STATES) > 200
    assert wrong == []


async def test_a_database_that_takes_no_writes_is_trouble_and_not_ready(role: Role, database: Database) -> None:
    """A standby, or a hosted database whose disk is full; reads go on."""
    await role.says("alter role {role} set default_transaction_read_only = on")
    await role.cut()
    with pytest.raises(DatabaseUnavailableError):
        await write(database)  # was cut
    with pytest.raises(DatabaseUnavailableError, match=r"PostgreSQL takes no writes.*25006") as error:
        await write(database)
    assert error.value.said.startswith("PostgreSQL takes no writes")
    assert "PostgreSQL takes no writes" in str(await database.check())
    async with database.read() as tx:
        assert await tx.first(text("select 1")) is not None


async def test_a_connection_that_takes_no_writes_is_let_go_with_all_that_are_as_old(
    role: Role, database: Database
) -> None:
    """After a failover the old connections lead to the former primary: they would fail again and again."""
    await role.says("alter role {role} set default_transaction_read_only = on")
    await role.cut()
    both = asyncio.Barrier(2)

    async def use() -> None:
        async with database.read() as tx:
            await both.wait()
            await tx.first(text("select 1"))

    await asyncio.gather(use(), use(), return_exceptions=True)
    await asyncio.gather(use(), use())
    await role.says("alter role {role} reset default_transaction_read_only")
    with pytest.raises(DatabaseUnavailableError, match="25006"):
        await write(database)
    await write(database)
    assert await database.check() is None or "takes no writes" in str(await database.check())


async def test_a_user_who_is_refused_is_trouble_until_taken_again(role: Role, database: Database) -> None:
    """As in a rotation of passwords; it is named with what to look at."""
    await role.says("alter role {role} nologin")
    await role.cut()
    with pytest.raises(DatabaseUnavailableError):
        await write(database)  # was cut
    with pytest.raises(DatabaseUnavailableError, match=r"refuses this user: check user and password.*28000"):
        await write(database)
    assert "check user and password in CARILLON_DATABASE_URL" in str(await database.check())
    await role.says("alter role {role} login")
    await write(database)


async def test_a_privilege_that_was_revoked_is_trouble_and_told_by_readiness(
    role: Role, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look from beside would not see it: what a statement met is told, for as long as it is met."""
    await role.says("revoke insert on project from {role}")
    with pytest.raises(DatabaseUnavailableError, match=r"refuses this user a privilege.*42501"):
        await write(database)
    assert "refuses this user a privilege" in str(await database.check())
    await role.says("grant insert on project to {role}")
    await write(database)
    monkeypatch.setattr("shared.db.TOLD", 0.0)
    assert await database.check() is None


async def test_a_schema_of_another_version_is_trouble(role: Role, database: Database) -> None:
    """While a migration is half there, or before it has run."""
    await role.says("alter table project rename to renamed")
    with pytest.raises(DatabaseUnavailableError, match=r"another schema.*shared\.ledger\.migrations.*42P01"):
        await write(database)
    await role.says("alter table renamed rename to project")
    await write(database)


async def test_a_plan_that_is_older_than_the_schema_is_trouble_once(role: Role, database: Database) -> None:
    """A column that was added changes what `select *` gives: the statement is prepared anew."""

    async def look() -> None:
        async with database.read() as tx:
            await tx.all(text("select * from project"))

    await look()
    await role.says("alter table project add column more integer")
    with pytest.raises(DatabaseUnavailableError, match=r"older than the schema.*0A000"):
        await look()
    await look()


async def test_a_lock_timeout_of_the_user_is_not_ours(role: Role, database: Database, database_url: str) -> None:
    """A session of ours waits for a lock as long as a statement may take."""
    await role.says("alter role {role} set lock_timeout = '20ms'", "alter role {role} set statement_timeout = '20ms'")
    await role.cut()
    with pytest.raises(DatabaseUnavailableError):
        await write(database)  # was cut
    holder = await asyncpg.connect(database_url)
    await holder.execute("begin; lock table project in exclusive mode")
    waiting = asyncio.create_task(write(database))

    async def waits() -> bool:
        return bool(
            await role.admin.fetchval(
                "select count(*) from pg_stat_activity"
                " where usename = $1 and wait_event_type = 'Lock' and now() - query_start > interval '100ms'",
                role.name,
            )
        )

    await eventually(waits)
    await holder.close()
    await waiting


async def test_what_a_transaction_relies_on_is_set_whatever_the_user_has(role: Role, database: Database) -> None:
    """In a transaction and in a single statement."""
    await role.says(
        "alter role {role} set default_transaction_isolation = 'serializable'",
        "alter role {role} set idle_in_transaction_session_timeout = '1ms'",
        "alter role {role} set timezone = 'Asia/Kolkata'",
        "alter role {role} set jit = on",
    )
    await role.cut()
    with pytest.raises(DatabaseUnavailableError):
        await write(database)  # was cut
    expected = ("read committed", "1min", "0", "1min", "UTC", "off")
    async with database.write() as tx:
        assert tuple(await tx.first(RELIED_ON) or ()) == expected
    async with database.single() as tx:
        assert tuple(await tx.first(RELIED_ON) or ()) == expected


async def test_behind_a_pooler_what_a_transaction_relies_on_is_said_with_each(
    role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A single statement becomes a transaction too, and no prepared statement stays behind."""
    monkeypatch.setattr("shared.sessions.Sessions._is_our_own", _never)
    await role.says("alter role {role} set default_transaction_isolation = 'serializable'")
    pooled = Database(role.url, name="test", pool=2)
    async with pooled.single() as tx:
        assert tuple(await tx.first(RELIED_ON) or ()) == ("read committed", "1min", "0", "1min", "UTC", "off")
    async with pooled.write() as tx:
        assert tuple(await tx.first(RELIED_ON) or ()) == ("read committed", "1min", "0", "1min", "UTC", "off")
        assert await tx.all(text("select name from pg_prepared_statements")) == []
        # The text of one column's type changes under it: nothing is remembered that could be stale.
        await tx.all(text("select * from project"))
    await role.says("alter table project add column more integer")
    async with pooled.read() as tx:
        assert all(row.more is None for row in await tx.all(text("select * from project")))
    await pooled.close()


async def _never(_self: object, _connection: object) -> bool:
    return False


async def test_of_two_hosts_the_one_that_takes_writes_is_used(role: Role) -> None:
    """The other one is down; when none takes writes, each is named with its reason."""
    parts = urlsplit(role.url)
    away = free_port()
    two = parts._replace(netloc=f"{role.name}:first@127.0.0.1:{away},127.0.0.1:{parts.port}").geturl()
    database = Database(two, name="test", pool=2)
    await database.wait(10)
    await write(database)
    await role.says("alter role {role} set default_transaction_read_only = on")
    await role.cut()
    with pytest.raises(DatabaseUnavailableError):
        await write(database)  # was cut
    with pytest.raises(DatabaseUnavailableError, match=rf"{parts.port} is not read-write; 127\.0\.0\.1:{away}: Conn"):
        await write(database)
    await role.says("alter role {role} reset default_transaction_read_only")
    await write(database, "again")
    await database.close()


async def test_no_connection_left_for_the_user_is_trouble(role: Role, database: Database) -> None:
    """Until somebody lets go of one."""
    await role.says("alter role {role} connection limit 1")
    async with database.read() as tx:
        await tx.first(text("select 1"))
        with pytest.raises(DatabaseUnavailableError, match=r"takes no more connections.*53300"):
            await write(database)
    await write(database)


async def test_a_transaction_that_is_always_a_victim_is_told_as_trouble_where_it_may_not_go_again(
    database: Database,
) -> None:
    """`write` and `single` leave the retry to the caller; `again` retries at once."""
    raising = text("do 'begin raise sqlstate ''40001''; end'")
    for block in (database.write, database.single):
        with pytest.raises(DatabaseUnavailableError, match="40001") as error:
            async with block() as tx:
                await tx.run(raising)
        assert error.value.victim
    tries = 0

    async def work(tx: Writer) -> int:
        nonlocal tries
        tries += 1
        if tries < 3:
            await tx.run(raising)
        return tries

    assert await database.again(work) == 3
