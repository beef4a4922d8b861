"""PostgreSQL's condition: for a while and for everybody it refuses connections, writes or statements, or loses answers.

It says so as asyncpg and SQLAlchemy say it, below `shared.db`: what the services make of it is their own doing.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from random import Random

from asyncpg.exceptions._base import PostgresMessageMeta  # type: ignore[import-untyped]
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError

WRITES = re.compile(r"\b(insert into|update|delete from|for (no key )?update)\b")
READ_ONLY = "25006"
ON_CONNECTING = ("", "08001", "08P01", "28000", "28P01", "3D000", "53300", "55000", "57P03")
"""What a connection may be told; nothing: nobody listens."""
ON_STATEMENTS = (
    "0A000",
    "25P03",
    "25P04",
    "26000",
    "40001",
    "40P01",
    "42501",
    "53100",
    "53200",
    "54001",
    "55P03",
    "57014",
    "57P01",
    "58030",
    "XX000",
    "XX001",
)
"""What any statement may be told that has nothing to do with its data."""
ON_COMMITS = ("08006", "40001", "57P01")


class State(StrEnum):
    """What PostgreSQL does not do for a while."""

    REFUSING = "database refuses connections"
    READ_ONLY = "database read-only"
    STATEMENTS = "database refuses statements"
    COMMITS = "database loses commits"


@dataclass(frozen=True, slots=True)
class Spell:
    """That it is in a state between two times, in seconds of the schedule; each thing meets it with this chance."""

    begins: float
    ends: float
    state: State
    chance: float


class Condition:
    """Its condition at each moment; `happened` is told of everything that it refuses."""

    def __init__(
        self, spells: Sequence[Spell], rng: Random, now: Callable[[], float], happened: Callable[[str, str], None]
    ) -> None:
        self._spells = spells
        self._rng = rng
        self._now = now
        self._happened = happened
        self.over = not spells
        """Whether nothing is refused any more."""

    def connect(self) -> None:
        """A transaction begins; raises what a connection is told."""
        if self._strikes(State.REFUSING):
            code = self._rng.choice(ON_CONNECTING)
            self._happened(State.REFUSING, code)
            raise refusal(code) if code else ConnectionRefusedError("connect call failed")

    def say(self, statement: str) -> None:
        """A statement is there; raises what it is told."""
        if _writes(statement) and self._strikes(State.READ_ONLY):
            self._happened(State.READ_ONLY, "")
            raise refusal(READ_ONLY)
        if self._strikes(State.STATEMENTS):
            code = self._rng.choice(ON_STATEMENTS)
            self._happened(State.STATEMENTS, code)
            raise refusal(code)

    def commit(self, undo: Callable[[], None]) -> None:
        """A transaction commits; raises what it is told, having undone it or not."""
        if self._strikes(State.COMMITS):
            code, undone = self._rng.choice(ON_COMMITS), self._rng.random() < 0.5
            if undone or code == "40001":
                undo()
            self._happened(State.COMMITS, f"{code} {'not ' if undone else ''}committed")
            raise refusal(code)

    def _strikes(self, state: State) -> bool:
        if self.over:
            return False
        now = self._now()
        return any(
            spell.state is state and spell.begins <= now < spell.ends and self._rng.random() < spell.chance
            for spell in self._spells
        )


def refusal(code: str) -> DBAPIError:
    """The error that SQLAlchemy makes of what PostgreSQL said."""
    said = PostgresMessageMeta.get_message_class_for_sqlstate(code)(f"refused with {code}")
    adapted = AsyncAdapt_asyncpg_dbapi.Error(f"{type(said)}: {said}")  # type: ignore[no-untyped-call]
    adapted.pgcode = adapted.sqlstate = code
    adapted.__cause__ = said
    return DBAPIError("a statement", None, adapted)


@cache
def _writes(statement: str) -> bool:
    return WRITES.search(statement) is not None


def draw_spells(rng: Random, until: float) -> tuple[Spell, ...]:
    """Spells of seconds, one after another with time between them."""
    spells, at = [], rng.uniform(0.0, until / 3)
    while at < until:
        ends = min(until, at + rng.uniform(0.3, LONGEST))
        spells.append(Spell(at, ends, rng.choice(tuple(State)), rng.choice((0.3, 1.0))))
        at = ends + rng.uniform(1.0, 15.0)
    return tuple(spells)


LONGEST = 6.0
"""Seconds of a spell: with the margin of a lease before it, what was sent can still be written down."""
