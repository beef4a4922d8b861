"""A state in which everything is as promised: two campaigns, a device of every fate."""

from collections import Counter
from dataclasses import replace
from typing import Any

from deploy.local.audit import Entry, Seen
from shared.ledger.letters import NAMES
from shared.topology import QUEUES
from tests.chaos.checker.state import CampaignBooks, State

QUOTA = 100.0
FIRST_TENTH = 10_000


def counted(letters: str) -> dict[str, int]:
    """Counters as these letters make them."""
    names = Counter(NAMES[letter] for letter in letters)
    return {"total": len(letters), **{name: names[name] for name in NAMES.values()}}


def flow(*counts: int) -> list[tuple[int, int]]:
    """Requests in each tenth of a second."""
    return [(FIRST_TENTH + offset, count) for offset, count in enumerate(counts)]


def campaign(number: int = 1, letters: str = "AAAU?", **more: Any) -> CampaignBooks:
    """A completed campaign whose nth device has the nth letter; FCM's record agrees."""
    targets = [f"token-{number}-{place}" for place in range(len(letters))]
    books = CampaignBooks(
        id=number,
        status="completed",
        delivery="at_least_once",
        counters=counted(letters),
        entries=[
            Entry(target, letter, active=letter != "U", may_repeat=letter == "?")
            for target, letter in zip(targets, letters, strict=True)
        ],
        seen={
            target: Seen(accepted=int(letter in "A?"), called_dead=letter == "U")
            for target, letter in zip(targets, letters, strict=True)
            if letter in "AU?"
        },
        repeats_allowed=2,
        rate=None,
        arrivals=flow(*([10] * 20)),
        last_seq=3,
        events=[(1, "started"), (2, "progressed"), (3, "completed")],
    )
    return replace(books, **more)


def healthy(*campaigns: CampaignBooks, **more: Any) -> State:
    """A state of these campaigns, of one when none is given."""
    campaigns = campaigns or (campaign(),)
    state = State(
        campaigns=campaigns,
        inactive=frozenset(target for books in campaigns for target, seen in books.seen.items() if seen.called_dead),
        heard={
            books.id: {number: frozenset({f"{books.id} {number} {name}"}) for number, name in books.events}
            for books in campaigns
        },
        quota=QUOTA,
        queues={queue.name: (0, 0) for queue in QUEUES},
        memory={"api": 100_000_000, "sender-1": 150_000_000, "rabbitmq": 150_000_000},
    )
    return replace(state, **more)
