"""One checker: everything that Carillon promises, held against what every book says when all is over.

In: a `State`, gathered from ledger, broker, emulator and witnesses. Out: for each check the sentences that say what is
wrong, with numbers; none: it holds.
Promises: checks are pure, so that a doctored state shows that each can fail.

Reading order: `state` (the values), `books`, `leases`, `events`, `rate`, `broker`, `memory` (the checks), `gathering`.
"""

from collections.abc import Callable, Mapping

from tests.chaos.checker import books, broker, events, leases, memory, rate
from tests.chaos.checker.state import State

CHECKS: Mapping[str, Callable[[State], list[str]]] = {
    "every planned device has exactly one letter": books.one_letter,
    "the counters equal the ledger": books.counters,
    "one started and one final event, no gap": events.told_once,
    "no letter contradicts FCM's record": books.contradictions,
    "duplicates are within the bound": books.duplicates,
    "a lease is lost with its sender only": leases.lost,
    "the rate is never over the quota": rate.within_quota,
    "queues are empty, nothing is unacked": broker.empty,
    "every dead letter is explained": broker.dead_letters,
    "memory is bounded": memory.bounded,
    "dead tokens are inactive, no others": books.dead_tokens,
}


def check(state: State) -> dict[str, list[str]]:
    """Every check's findings."""
    return {name: found(state) for name, found in CHECKS.items()}
