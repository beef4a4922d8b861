"""For how long nothing moved while a node was in trouble: values only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SETTLED = 0.99
"""Share of the devices up to which silence counts: the last ones wait for their retry, whatever the broker does."""


@dataclass(frozen=True)
class Silence:
    """Seconds: the longest without any progress, when after the fault it began, and what the last devices took."""

    longest: float
    began_after: float
    tail: float


def silence(progress: Iterable[tuple[float, int]], struck: float, devices: int) -> Silence:
    """Read a flow, how many devices came at each moment in order, from the moment of the fault on.

    Times are seconds since the epoch. Whatever is before the fault counts towards the devices only.
    """
    moments = [(at, count) for at, count in progress if count > 0]
    enough, done = devices * SETTLED, 0
    last, longest, began = struck, 0.0, struck
    settled: float | None = None
    for at, count in moments:
        done += count
        if settled is None and at > struck:
            if at - last > longest:
                longest, began = at - last, last
            last = at
        if settled is None and done >= enough:
            settled = at
    end = moments[-1][0] if moments else struck
    return Silence(round(longest, 1), round(began - struck, 1), round(end - (settled or end), 1))


def steps(looks: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """What a counter grew by between one look at it and the next."""
    before, grown = 0, []
    for at, count in looks:
        grown.append((at, count - before))
        before = count
    return grown
