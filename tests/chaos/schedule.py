"""Which fault strikes when: dealt from a deck of all kinds, so that none comes twice before each came once. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tests.chaos.faults import Aimed, Fault

FIRST = 3.0
"""Seconds until the first fault: something must flow before it can be disturbed."""
GAP = (1.5, 4.5)
"""Seconds between two faults; most last longer, so that they overlap."""


@dataclass(frozen=True)
class Strike:
    """One fault at its time, in seconds from the beginning."""

    at: float
    fault: Fault
    aimed: Aimed


def deal(seed: int, seconds: float, faults: Sequence[Fault]) -> list[Strike]:
    """Deal faults for so many seconds: the same for the same seed, one last second without any."""
    rng = Random(f"faults {seed}")
    strikes: list[Strike] = []
    deck: list[Fault] = []
    at = FIRST
    while at < seconds - 1:
        if not deck:
            deck = list(faults)
            rng.shuffle(deck)
        fault = deck.pop()
        strikes.append(Strike(at, fault, fault.aim(rng)))
        at += rng.uniform(*GAP)
    return strikes
