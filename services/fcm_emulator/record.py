"""What the emulator saw: the other book that the ledger is checked against.

One `Record` for each (project, label): requests by token, and for the few tokens that got anything but ACCEPTED, how
often they got what. Totals are worked out when read; the hot path adds one to one number per token.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from services.fcm_emulator.answers import ACCEPTED, DELIVERED, Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

# Tokens in a line of the record: few lines for a million devices, none over a few MB.
LINE_TOKENS = 10_000

History = tuple[tuple[Answer, int], ...]


class Record:
    """The requests of one project and label."""

    __slots__ = ("arrived", "first_accept_at", "last_accept_at", "others", "refused", "seen")

    def __init__(self) -> None:
        self.seen: dict[bytes, int] = {}
        self.others: dict[bytes, dict[Answer, int]] = {}
        # By tenth of a second since the epoch: all that came, and of these what was not delivered.
        self.arrived: dict[int, int] = {}
        self.refused: dict[int, int] = {}
        self.first_accept_at: float | None = None
        self.last_accept_at: float | None = None

    def accept(self, token: bytes, nth: int, now: float) -> None:
        """Count the nth request (from 0) of a token as ACCEPTED: the hot path."""
        self.seen[token] = nth + 1
        tenth = int(now * 10)
        self.arrived[tenth] = self.arrived.get(tenth, 0) + 1
        self.last_accept_at = now
        if self.first_accept_at is None:
            self.first_accept_at = now

    def add(self, token: bytes, nth: int, answer: Answer, now: float) -> None:
        """Count the nth request (from 0) of a token and what it came to, other than ACCEPTED."""
        self.seen[token] = nth + 1
        tenth = int(now * 10)
        self.arrived[tenth] = self.arrived.get(tenth, 0) + 1
        if answer in DELIVERED:
            self.last_accept_at = now
            if self.first_accept_at is None:
                self.first_accept_at = now
        else:
            self.refused[tenth] = self.refused.get(tenth, 0) + 1
        others = self.others.setdefault(token, {})
        others[answer] = others.get(answer, 0) + 1

    def history(self, token: bytes) -> History:
        """Return how often a token got which answer."""
        others = self.others.get(token)
        requests = self.seen.get(token, 0)
        if others is None:
            return ((ACCEPTED, requests),) if requests else ()
        accepted = requests - sum(others.values())
        first = ((ACCEPTED, accepted),) if accepted else ()
        return (*first, *sorted(others.items()))

    def totals(self) -> Counter[Answer]:
        """Return requests by answer."""
        totals: Counter[Answer] = Counter()
        for others in self.others.values():
            totals.update(others)
        totals[ACCEPTED] = sum(self.arrived.values()) - totals.total()
        return totals

    def tokens_accepted(self) -> int:
        """Return the number of tokens that were delivered to at least once."""
        return len(self.seen) - sum(1 for token in self.others if not delivered(self.history(token)))

    def lines(self, project: str, label: str) -> Iterator[bytes]:
        """Yield the record as NDJSON: tokens grouped by their history, `LINE_TOKENS` at most in a line."""
        tokens = list(self.seen)
        for start in range(0, len(tokens), LINE_TOKENS):
            groups: defaultdict[History, list[str]] = defaultdict(list)
            once = groups[((ACCEPTED, 1),)]
            for token in tokens[start : start + LINE_TOKENS]:
                plain = self.seen[token] == 1 and token not in self.others
                (once if plain else groups[self.history(token)]).append(token.decode("utf-8", "surrogatepass"))
            for history, members in groups.items():
                if not members:
                    continue
                line = {
                    "project": project,
                    "label": label,
                    "accepted": delivered(history),
                    "answers": dict(history),
                    "tokens": members,
                }
                yield json.dumps(line, separators=(",", ":")).encode() + b"\n"


def delivered(history: History) -> int:
    """Return how often a history delivered."""
    return sum(count for answer, count in history if answer in DELIVERED)


def summary(records: list[Record], refused_unread: Counter[Answer]) -> dict[str, Any]:
    """Sum up records; `refused_unread` are requests refused before a token was read (no bearer, no valid body)."""
    by_answer: Counter[Answer] = Counter(refused_unread)
    per_second: Counter[int] = Counter()
    for record in records:
        by_answer.update(record.totals())
        for tenth, count in record.arrived.items():
            per_second[tenth // 10] += count - record.refused.get(tenth, 0)
    accepted = sum(by_answer[answer] for answer in DELIVERED)
    tokens_accepted = sum(record.tokens_accepted() for record in records)
    firsts = [record.first_accept_at for record in records if record.first_accept_at is not None]
    lasts = [record.last_accept_at for record in records if record.last_accept_at is not None]
    return {
        "requests": by_answer.total(),
        "accepted": accepted,
        "by_answer": {answer: count for answer, count in sorted(by_answer.items()) if count},
        "tokens_seen": sum(len(record.seen) for record in records),
        "tokens_accepted": tokens_accepted,
        "duplicates": accepted - tokens_accepted,
        "first_accept_at": min(firsts, default=None),
        "last_accept_at": max(lasts, default=None),
        "per_second": {str(second): count for second, count in sorted(per_second.items())},
    }


def rate(records: list[Record]) -> list[tuple[int, int, int]]:
    """Return (tenth of a second since the epoch, requests, accepted) in order: fine enough to check a quota by."""
    arrived: Counter[int] = Counter()
    refused: Counter[int] = Counter()
    for record in records:
        arrived.update(record.arrived)
        refused.update(record.refused)
    return [(tenth, count, count - refused[tenth]) for tenth, count in sorted(arrived.items())]
