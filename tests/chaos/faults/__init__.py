"""What can go wrong, each a small named thing that is done and undone again.

In: a random number generator, which aims a fault, and the stage, on which it happens. Out: a note for the history.
Promises: a fault ends within `lasts` and a little; what it touched is as before, and whoever it touched is running.

Reading order: `processes`, `broker`, `cluster`, `database`, `roles`, `network`, `patience`, `fcm`, `clock`, `versions`,
`messages`; `every` lists all.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from tests.chaos.stage import Stage

Act: TypeAlias = Callable[[Stage], AbstractAsyncContextManager[str]]
"""Does it on entering, undoes it on leaving; what it yields is told in the history."""


@dataclass(frozen=True)
class Aimed:
    """A fault with its target: what it touches nobody else may touch meanwhile. `lasts`: seconds."""

    target: str
    touches: frozenset[str]
    lasts: float
    act: Act


@dataclass(frozen=True)
class Fault:
    """A kind of fault; `aim` draws a target for it."""

    kind: str
    aim: Callable[[Random], Aimed]
