"""What an operator or a provider does to the services' role and database: read-only, locked out, timeouts, rights.

What is set for a role counts for its next sessions, so all are ended, and when it is undone once more.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from random import Random

from tests.chaos.faults import Act, Aimed, Fault
from tests.chaos.faults.database import TABLES, TERMINATE, locked
from tests.chaos.server import DATABASE, PASSWORD, ROLE
from tests.chaos.stage import Stage

RELOAD = "select pg_reload_conf()"


@dataclass(frozen=True)
class Change:
    """Statements that do something and those that undo it; `cut`: whether connections are ended after each."""

    name: str
    done: Sequence[str]
    undone: Sequence[str]
    cut: bool = True


DEMOTIONS = (
    Change(
        "the server, connections stay",
        ("alter system set default_transaction_read_only = on", RELOAD),
        ("alter system reset default_transaction_read_only", RELOAD),
        cut=False,
    ),
    Change(
        "the server, connections cut",
        ("alter system set default_transaction_read_only = on", RELOAD),
        ("alter system reset default_transaction_read_only", RELOAD),
    ),
    Change(
        "the database, connections cut",
        (f"alter database {DATABASE} set default_transaction_read_only = on",),
        (f"alter database {DATABASE} reset default_transaction_read_only",),
    ),
)
ROTATIONS = (
    Change(
        "another password",
        (f"alter role {ROLE} password 'another'",),
        (f"alter role {ROLE} password '{PASSWORD}'",),
    ),
    Change("no login", (f"alter role {ROLE} nologin",), (f"alter role {ROLE} login",)),
    Change(
        "no connections to the database",
        (f"alter database {DATABASE} connection limit 0",),
        (f"alter database {DATABASE} connection limit -1",),
    ),
)


def _setting(name: str, value: str) -> Change:
    return Change(
        f"{name} {value}", (f"alter role {ROLE} set {name} = '{value}'",), (f"alter role {ROLE} reset {name}",)
    )


TIMEOUTS = (
    _setting("lock_timeout", "1s"),
    _setting("statement_timeout", "500ms"),
    _setting("transaction_timeout", "500ms"),
    _setting("idle_in_transaction_session_timeout", "20ms"),
)
ISOLATIONS = (
    _setting("default_transaction_isolation", "repeatable read"),
    _setting("default_transaction_isolation", "serializable"),
)
REVOKED = tuple(
    Change(
        f"of {what.removeprefix('all tables in schema ')}",
        (f"revoke {rights} on {what} from {ROLE}",),
        (f"grant all on {what} to {ROLE}",),
        cut=False,
    )
    for rights, what in (
        ("all", "all tables in schema public"),
        *(("insert, update, delete", table) for table in TABLES),
    )
)


def changed(change: Change, *, table: str | None = None) -> Act:
    """Do it, with a lock on `table` meanwhile; undo it."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncGenerator[str]:
        ends = (TERMINATE,) if change.cut else ()
        try:
            await stage.command(*change.done, *ends)
            async with AsyncExitStack() as lock:
                if table is not None:
                    await lock.enter_async_context(locked(table)(stage))
                yield change.name
        finally:
            await stage.command(*change.undone, *ends)

    return act


def _kind(kind: str, changes: Sequence[Change], shortest: float, longest: float, tables: Sequence[str] = ()) -> Fault:
    def aim(rng: Random) -> Aimed:
        change = rng.choice(changes)
        table = rng.choice(tables) if tables else None
        target = change.name if table is None else f"{change.name}, {table} locked"
        lasts = rng.uniform(shortest, longest)
        return Aimed(target, frozenset({"postgres"}), lasts, changed(change, table=table))

    return Fault(kind, aim)


FAULTS = (
    _kind("PostgreSQL read-only", DEMOTIONS, 2.0, 5.0),
    _kind("PostgreSQL role locked out", ROTATIONS, 2.0, 5.0),
    _kind("PostgreSQL timeouts of the role", TIMEOUTS, 2.0, 5.0, TABLES),
    _kind("PostgreSQL isolation of the role", ISOLATIONS, 3.0, 8.0),
    _kind("PostgreSQL rights revoked", REVOKED, 2.0, 5.0),
)
