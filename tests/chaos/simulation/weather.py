"""What may go wrong, how often, and the one source of chance that decides it.

A schedule's `Climate` switches most kinds of fault off and some on, more or less strongly, so that rare combinations
come up and each kind is also seen alone.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from random import Random

from tests.chaos.simulation.history import History


class Fate(StrEnum):
    """What becomes of one call across a process's boundary."""

    WELL = "well"
    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    FAIL_BEFORE = "fail before"
    FAIL_AFTER = "fail after"
    STALL_BEFORE = "stall before"
    STALL_AFTER = "stall after"


class Path(StrEnum):
    """What becomes of one message on its way into a queue."""

    STRAIGHT = "straight"
    TWICE = "twice"
    LATE = "late"
    AHEAD = "ahead"


@dataclass(frozen=True, slots=True)
class Climate:
    """Chances of each kind of fault: of a call, of a message, of a request to FCM; or how often in a minute."""

    slow: float = 0.0
    crash: float = 0.0
    fail: float = 0.0
    stall: float = 0.0
    twice: float = 0.0
    late: float = 0.0
    ahead: float = 0.0
    flaky: float = 0.0
    silent: float = 0.0
    storms: float = 0.0
    cuts: float = 0.0
    wipes: float = 0.0
    drains: float = 0.0
    blackouts: float = 0.0


STRONGEST = Climate(
    slow=0.05,
    crash=0.02,
    fail=0.05,
    stall=0.02,
    twice=0.3,
    late=0.2,
    ahead=0.3,
    flaky=0.3,
    silent=0.2,
    storms=2.0,
    cuts=4.0,
    wipes=2.0,
    drains=3.0,
    blackouts=1.0,
)
STRENGTHS = (0.1, 0.3, 1.0)


def draw_climate(rng: Random) -> Climate:
    """Each kind of fault is there in nearly every second schedule, at one of three strengths; one in twenty is calm."""
    if rng.random() < 0.05:
        return Climate()
    return Climate(
        **{
            kind.name: getattr(STRONGEST, kind.name) * (rng.choice(STRENGTHS) if rng.random() < 0.45 else 0.0)
            for kind in fields(Climate)
        }
    )


class Weather:
    """Draws every fault and latency of a schedule; after `clear` nothing goes wrong any more."""

    def __init__(
        self, rng: Random, climate: Climate, now: Callable[[], float], history: History, *, lease: float
    ) -> None:
        self.rng = rng
        self.climate = climate
        self.now = now
        self.history = history
        self.lease = lease
        self.counts: Counter[str] = Counter()
        self.foul = True
        self._troubles = climate.crash + climate.fail + climate.stall

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self.foul = False

    def latency(self) -> float:
        """Seconds that something takes: often none, mostly milliseconds, sometimes seconds."""
        chance = self.rng.random()
        if chance < 0.5 or not self.foul:
            return 0.0
        if chance < 1.0 - self.climate.slow:
            return self.rng.expovariate(200.0)
        return self.rng.uniform(0.05, 3.0)

    def fate(self, who: str, what: str) -> Fate:
        """Draw what becomes of a call."""
        if not self.foul or not self._troubles:
            return Fate.WELL
        chance = self.rng.random()
        if chance >= self._troubles:
            return Fate.WELL
        before = self.rng.random() < 0.5
        if chance < self.climate.crash:
            fate = Fate.CRASH_BEFORE if before else Fate.CRASH_AFTER
        elif chance < self.climate.crash + self.climate.fail:
            fate = Fate.FAIL_BEFORE if before else Fate.FAIL_AFTER
        else:
            fate = Fate.STALL_BEFORE if before else Fate.STALL_AFTER
        self.happened(fate.value, f"{who}: {what}")
        return fate

    def stall(self) -> float:
        """Seconds of a stall: a breath, or past a lease."""
        return self.rng.uniform(0.5, 3.0) if self.rng.random() < 0.4 else self.rng.uniform(0.8, 1.6) * self.lease

    def path(self, where: str) -> Path:
        """Draw what becomes of a message."""
        if not self.foul:
            return Path.STRAIGHT
        climate = self.climate
        chance = self.rng.random()
        if chance >= climate.twice + climate.late + climate.ahead:
            return Path.STRAIGHT
        if chance < climate.twice:
            path = Path.TWICE
        elif chance < climate.twice + climate.late:
            path = Path.LATE
        else:
            path = Path.AHEAD
        self.happened(f"message {path.value}", where)
        return path

    def delay(self) -> float:
        """Seconds that a late message takes more than others: moments, or longer than a lease."""
        return self.rng.uniform(0.05, 2.0) if self.rng.random() < 0.7 else self.rng.uniform(1.0, 2.0) * self.lease

    def strikes(self, chance: float) -> bool:
        """Whether something of this chance happens now."""
        return self.foul and chance > 0 and self.rng.random() < chance

    def happened(self, kind: str, where: str) -> None:
        """Count a fault and write it down."""
        self.counts[kind] += 1
        self.history.add("fault", kind, where)
