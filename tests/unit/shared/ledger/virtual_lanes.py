"""Lanes that start and stop, and senders that ask for them as the services' senders do, over a virtual clock.

Of a lane's batches in a sender's hands one asks at a time, each ask takes a while that differs from ask to ask, a
denied one comes again after its wait, two seconds later at the most, and a sender holds twelve batches of a lane.
"""

import heapq
import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

from services.sender.claiming import ASK_AGAIN
from shared.ledger.quota import Booked, Clocks, Denied, book
from shared.topology import Lane

Span = tuple[float, float]
Rule = Callable[..., Booked | Denied]

START = 1_000_000.0
LONGEST = 500
IN_HAND = 12
ASK = (0.002, 0.03)
"""Seconds that an ask takes, and its answer the same again."""
ANSWERS = 0.1
"""Seconds until a batch's last answers are there."""


def fresh(rate: float, *, lanes: Mapping[Lane, float] | None = None, longest: int = LONGEST) -> Clocks:
    """A project that has never sent, or whose lanes' clocks are so many seconds ahead of the start."""
    ahead = lanes or {}
    clocks = {lane: START + ahead[lane] if lane in ahead else 0.0 for lane in Lane}
    return Clocks(rate=rate, longest=longest, tat=0.0, lanes=clocks)


@dataclass(frozen=True, slots=True)
class Booking:
    """A batch that was granted: of which lane, from when, over how long; seconds since the start."""

    lane: Lane
    at: float
    length: float
    messages: int

    def within(self, begin: float, end: float) -> float:
        """How many of its messages start between two times."""
        return self.messages * max(0.0, min(self.at + self.length, end) - max(self.at, begin)) / self.length


@dataclass
class Flow:
    """What was booked."""

    clocks: Clocks
    bookings: list[Booking] = field(default_factory=list)

    def sent(self, lane: Lane, begin: float, end: float) -> float:
        """Messages of a lane that start between two times. Bookings come one after the other."""
        first = bisect_right(self.bookings, begin, key=lambda booking: booking.at + booking.length)
        last = bisect_left(self.bookings, end, key=lambda booking: booking.at)
        return sum(booking.within(begin, end) for booking in self.bookings[first:last] if booking.lane is lane)

    def shares(self, begin: float, end: float) -> dict[Lane, float]:
        """Each lane's part of the quota between two times."""
        return {lane: self.sent(lane, begin, end) / (self.clocks.rate * (end - begin)) for lane in Lane}


def play(
    clocks: Clocks,
    full: Mapping[Lane, Collection[Span]],
    *,
    seed: int = 0,
    senders: int = 3,
    sizes: Mapping[Lane, int] | int = LONGEST,
    rules: Collection[Rule] = (book,),
) -> Flow:
    """Let each lane have batches in its spans, seconds from the start; the senders book by the rules in turn.

    `sizes`: the most messages in a lane's batches; a batch has that many in two of three cases, else fewer.
    """
    rng, flow = Random(seed), Flow(clocks)
    events: list[tuple[float, int, Iterator[float]]] = []
    order = itertools.count()
    by_rule = [*itertools.islice(itertools.cycle(rules), senders)]
    for (lane, spans), rule in itertools.product(full.items(), by_rule):
        most = sizes if isinstance(sizes, int) else sizes[lane]
        for span in spans:
            asks = _asks(flow, lane, span, most=most, rng=rng, rule=rule)
            heapq.heappush(events, (span[0], next(order), asks))
    while events:
        _, _, asks = heapq.heappop(events)
        at = next(asks, None)
        if at is not None:
            heapq.heappush(events, (at, next(order), asks))
    return flow


def _asks(flow: Flow, lane: Lane, span: Span, *, most: int, rng: Random, rule: Rule) -> Iterator[float]:
    """One sender's asks for a lane, each when it is time for it; yields the time of the next."""
    now, end = span
    in_hand: list[float] = []
    while True:
        now += rng.uniform(*ASK)
        if now >= end:
            return
        yield now
        messages = most if rng.random() < 2 / 3 else rng.randint(1, most)
        answer = rule(flow.clocks, now=START + now, lane=lane, messages=messages)
        if isinstance(answer, Denied):
            now += min(answer.wait, ASK_AGAIN) + rng.uniform(*ASK)
            continue
        rate, flow.clocks = flow.clocks.rate, answer.clocks
        flow.bookings.append(Booking(lane, answer.start - START, messages / rate, messages))
        now += rng.uniform(*ASK)
        in_hand = sorted(until for until in in_hand if until > now)
        in_hand.append(answer.start - START + messages / rate + ANSWERS)
        if len(in_hand) >= IN_HAND:
            now = max(now, min(in_hand))
