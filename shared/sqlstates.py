"""What an error of PostgreSQL is about: the statement's own data, or the infrastructure.

| what it says | it is | then |
|---|---|---|
| class 22 or 23: a value, a constraint | about the data that a message or a request brought | raised as it is |
| 40001, 40P01: chosen as a victim | trouble | the transaction goes again at once |
| everything else, known to us or not | trouble | hold, retry, report it, reconnect |

So the test is whether the data can be at fault, never a list of what can be the server's fault: no such list is
complete. Class 42 is trouble as well. Statements are Carillon's own text; where one names what is not there, the schema
is another version's, and where it may not, somebody revoked a privilege. No message may become a dead letter for that.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg  # type: ignore[import-untyped]  # it ships no types
from sqlalchemy.exc import DBAPIError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

DATA = ("22", "23")
"""SQLSTATE classes that speak of the statement's own data."""
NOT_DATA = ("2200H",)
"""Within them: a sequence has no number left, whatever the data are."""
VICTIM = ("40001", "40P01")
"""Serialization failure and deadlock: PostgreSQL chose this transaction to go again."""
SAME_SERVER = ("40", "55P03", "57014")
"""Trouble that says nothing of the connection: a victim, a lock, a timeout. After any other the connection is closed,
so that the next attempt finds whoever is the primary by then, and what was prepared on the old one is forgotten."""

WORDS: Mapping[str, str] = {
    "": "PostgreSQL is in trouble",
    "08": "The connection to PostgreSQL is lost",
    "08P01": "PostgreSQL, or a pooler before it, does not take what it was sent",
    "0A000": "PostgreSQL refuses a plan that is older than the schema",
    "25006": "PostgreSQL takes no writes: it is a standby, or default_transaction_read_only is on, as on a full disk",
    "25P03": "PostgreSQL ended a transaction that was idle for too long",
    "25P04": "PostgreSQL ended a transaction that took longer than transaction_timeout",
    "26": "A prepared statement is gone, as behind a pooler that does not keep it",
    "28": "PostgreSQL refuses this user: check user and password in CARILLON_DATABASE_URL, and pg_hba.conf",
    "3D": "PostgreSQL has no such database: check CARILLON_DATABASE_URL",
    "3F": "PostgreSQL has no such schema: check the user's search_path",
    "40": "PostgreSQL ended the transaction so that others could go on",
    "42": "PostgreSQL has another schema than this version's: run `python -m shared.ledger.migrations`",
    "42501": "PostgreSQL refuses this user a privilege: grant it to the user of CARILLON_DATABASE_URL",
    "42P05": "A prepared statement is there already, as behind a pooler that shares it",
    "53": "PostgreSQL has run out of something",
    "53100": "PostgreSQL's disk is full",
    "53200": "PostgreSQL has no memory left",
    "53300": "PostgreSQL takes no more connections: max_connections, or a limit of the user, is reached",
    "55P03": "A lock was not to be had in time: look at pg_stat_activity for who holds it",
    "57014": "A statement took too long, or was cancelled",
    "57P": "PostgreSQL is stopping or starting",
    "58": "PostgreSQL has trouble with its system: look at its log",
    "F0": "PostgreSQL's configuration files are wrong: look at its log",
    "XX": "PostgreSQL has a fault of its own: look at its log",
}
"""What is said of a state, by the longest prefix that fits."""

LASTING = ("25006", "28", "3D", "3F", "42501", "42P01", "42703", "53", "58", "F0")
"""Failures of a statement that a separate check may not see: a missing privilege on one table, a full disk. No request
can cause them, so readiness may report them."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Trouble of the infrastructure, in words for people.

    `said` is a sentence without anything of the statement; `detail` has the server's own words. `victim`: go again at
    once. `leave`: close the connection.
    """

    sqlstate: str
    said: str
    detail: str
    victim: bool
    leave: bool

    @property
    def lasting(self) -> bool:
        """Whether readiness should tell it."""
        return self.sqlstate.startswith(LASTING)


def find_trouble(error: BaseException) -> Trouble | None:
    """What is wrong with the infrastructure; None when the error is about the data, or not the database's at all."""
    if not isinstance(error, _FROM_THE_DATABASE):
        return None
    state = sqlstate(error)
    if is_about_data(state):
        return None
    cause = _driver_error(error)
    said = in_words(state) if state else _without_a_state(cause)
    shown = f" {state}" if state else ""
    return Trouble(
        sqlstate=state,
        said=f"{said}.",
        detail=f"{said} ({type(cause).__name__}{shown}: {cause}).",
        victim=state in VICTIM,
        leave=not isinstance(error, PoolTimeoutError) and not state.startswith(SAME_SERVER),
    )


def is_about_data(state: str) -> bool:
    """Whether a SQLSTATE speaks of the statement's own data."""
    return state.startswith(DATA) and state not in NOT_DATA


def in_words(state: str) -> str:
    """What a SQLSTATE means for us.

    >>> in_words("53400")
    'PostgreSQL has run out of something'
    """
    return next(WORDS[state[:end]] for end in range(len(state), -1, -1) if state[:end] in WORDS)


def sqlstate(error: BaseException) -> str:
    """The five letters that PostgreSQL gave, or none."""
    return str(getattr(_driver_error(error), "sqlstate", None) or "")


def _without_a_state(error: BaseException) -> str:
    """What the driver or the pool says by itself, in words."""
    if isinstance(error, PoolTimeoutError):
        return "No connection to PostgreSQL was free in time"
    if isinstance(error, TimeoutError):
        return "PostgreSQL, or a pooler before it, did not answer in time"
    if isinstance(error, OSError | EOFError):
        return "PostgreSQL cannot be reached"
    return WORDS[""]


def _driver_error(error: BaseException) -> BaseException:
    """What the driver raised, below what SQLAlchemy made of it."""
    wrapped = error.orig if isinstance(error, DBAPIError) else None
    return error if wrapped is None else wrapped.__cause__ or wrapped


_FROM_THE_DATABASE = (
    DBAPIError,
    PoolTimeoutError,
    PendingRollbackError,  # the connection was lost, and the block went on
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,  # a refused or cut connection, a name that is not found, TLS
    EOFError,
    TimeoutError,
)
"""What the driver and the pool raise, wrapped by SQLAlchemy or not."""
