"""Outcome letters and their join.

A batch's outcomes are a string with a letter per position. Merging takes, at each position, the greater letter in
the order of `ORDER`: what was observed always beats what was inferred. The join is commutative, associative and
idempotent, so duplicates, reordering and forks cannot miscount.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

PENDING = "."
SKIPPED = "S"
CANCELLED = "C"
EXPIRED = "X"
DEAD = "D"
UNKNOWN = "?"
REFUSED = "R"
UNREGISTERED = "U"
ACCEPTED = "A"

ORDER = ".SCXD?RUA"

NAMES: Mapping[str, str] = MappingProxyType(
    {
        PENDING: "pending",
        SKIPPED: "skipped",
        CANCELLED: "cancelled",
        EXPIRED: "expired",
        DEAD: "dead",
        UNKNOWN: "unknown",
        REFUSED: "rejected",
        UNREGISTERED: "unregistered",
        ACCEPTED: "accepted",
    }
)
"""Letter to the name of its counter in the ledger and the API."""

INFERRED = frozenset(SKIPPED + CANCELLED + EXPIRED + DEAD)
"""Letters that say a device was never sent to; wrong for a position that may have been sent."""

_TO_RANK = bytes.maketrans(ORDER.encode(), bytes(range(len(ORDER))))
_TO_LETTER = bytes.maketrans(bytes(range(len(ORDER))), ORDER.encode())


def join(left: str, right: str) -> str:
    """The greater letter at each position; both strings have the same length.

    >>> join("..SA?", ".XCDU")
    '.XCAU'
    """
    if len(left) != len(right):
        raise ValueError(f"Outcomes of different lengths cannot be joined: {len(left)} and {len(right)}.")
    if left == right or not right.strip(PENDING):
        return left
    if not left.strip(PENDING):
        return right
    ranks = map(max, left.encode().translate(_TO_RANK), right.encode().translate(_TO_RANK))
    return bytes(ranks).translate(_TO_LETTER).decode()


def open_positions(outcomes: str, reported: str) -> list[int]:
    """Positions that may be sent: pending in both strings."""
    if not (outcomes + reported).strip(PENDING):
        return list(range(len(outcomes)))
    pairs = zip(outcomes, reported, strict=True)
    return [position for position, (a, b) in enumerate(pairs) if a == b == PENDING]


def fill(outcomes: str, reported: str, letter: str, *, doubt: bool) -> str:
    """Letters that end every open position with `letter`, or `?` where a lost lease may have sent it."""
    end = settle(letter, doubt=doubt)
    pairs = zip(outcomes, reported, strict=True)
    return "".join(end if a == b == PENDING else PENDING for a, b in pairs)


def settle(letter: str, *, doubt: bool) -> str:
    """The letter for a position that ends unanswered: in a batch with doubt nobody knows that it was not sent."""
    return UNKNOWN if doubt and letter in INFERRED else letter


def observed(outcomes: str) -> str:
    """Only what was observed: a fenced sender may report no more, since others may have sent the rest."""
    return "".join(PENDING if letter in INFERRED else letter for letter in outcomes)


def write(size: int, letters: Iterable[tuple[int, str]]) -> str:
    """A string of `size` pending positions with the given letters written in."""
    outcomes = [PENDING] * size
    for position, letter in letters:
        outcomes[position] = letter
    return "".join(outcomes)


def change(before: str, after: str) -> dict[str, int]:
    """How the counters move from `before` to `after`, by counter name; their sum is zero."""
    return {name: delta for letter, name in NAMES.items() if (delta := after.count(letter) - before.count(letter)) != 0}


def complete(outcomes: str) -> bool:
    """Whether every position has its letter."""
    return PENDING not in outcomes
