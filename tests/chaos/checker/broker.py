"""The broker when all is over: nothing left in it but what was put in broken."""

from collections import Counter

from shared.topology import DEAD_LETTERS, RUNGS
from tests.chaos.checker.state import State

WAITED = 12.0
"""Seconds that a broken message may be under way before its consumer sees it: the longest way is over a retry rung."""
EXAMPLES = 3


def empty(state: State) -> list[str]:
    """(6) Every queue is there, none holds a message, none waits for an ack; the outbox is empty."""
    wrong = []
    for name, depth in state.queues.items():
        if depth is None:
            wrong.append(f"queue {name} is not there")
        elif name != DEAD_LETTERS.name and any(depth):
            wrong.append(f"queue {name} holds {depth[0]} messages, and {depth[1]} are unacked")
    if state.outbox:
        wrong.append(f"the outbox holds {state.outbox} messages that nobody publishes")
    return wrong


def dead_letters(state: State) -> list[str]:
    """(6) Dead letters are the broken messages that were put in, all of them, and no others.

    One may be there twice, its ack having been lost; one may be missing that lay in a queue when that was emptied.
    """
    wrong = []
    put = {*state.offered, *((queue, body) for _, queue, body in state.injected)}
    found = Counter((letter.queue, letter.body) for letter in state.dead_letters)
    if strangers := [letter for letter in state.dead_letters if (letter.queue, letter.body) not in put]:
        shown = "; ".join(f"{one.queue}: {one.reason}: {one.body[:120]!r}" for one in strangers[:EXAMPLES])
        wrong.append(f"{len(strangers)} dead letters are none of the {len(put)} broken messages: {shown}")
    expected = Counter((queue, body) for at, queue, body in state.injected if not _emptied(state, at, queue))
    if missing := expected - found:
        shown = "; ".join(f"{queue}: {body[:60]!r}" for queue, body in list(missing)[:EXAMPLES])
        wrong.append(f"{missing.total()} of {len(state.injected)} broken messages are not among the dead: {shown}")
    return wrong


def _emptied(state: State, at: float, queue: str) -> bool:
    """Whether the message may have been lost with its queue, or with the retry queue before it."""
    ways = {queue, *(rung.name for rung in RUNGS.values())} if queue.startswith("sender.") else {queue, DELAY}
    return any(name in ways and when > at for when, name in state.emptied)


DELAY = "planner.commands.delay"
