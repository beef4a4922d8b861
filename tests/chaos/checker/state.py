"""What all books say when everything is over, as values."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from deploy.local.audit import Entry, Seen
from tests.chaos.witnesses import LostLease, Stall

Arrivals = Sequence[tuple[int, int]]
"""Tenth of a second since the epoch, and the requests that the emulator got in it."""


@dataclass(frozen=True)
class CampaignBooks:
    """One campaign: its row, its batches device by device, its events, and what the emulator saw of it."""

    id: int
    status: str
    delivery: str
    counters: Mapping[str, int]
    entries: Sequence[Entry]
    seen: Mapping[str, Seen]
    """By target."""
    repeats_allowed: int
    """The stated bound: devices of its batches for each lost lease and each attempt that nobody answered."""
    rate: float | None
    """Messages a second that an operator allows it; None: the quota's."""
    arrivals: Arrivals
    last_seq: int
    events: Sequence[tuple[int, str]]
    """Sequence number and name, in order."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """The time in which a fault acted on a process or a server, in seconds since the epoch."""

    name: str
    began: float
    ended: float


@dataclass(frozen=True)
class DeadLetter:
    """A message in `dead`: the queue that it came from, why, its body."""

    queue: str
    reason: str
    body: bytes


@dataclass(frozen=True)
class State:
    """Everything."""

    campaigns: Sequence[CampaignBooks]
    inactive: frozenset[str]
    """Targets of the inactive devices."""
    heard: Mapping[int, Mapping[int, frozenset[str]]]
    """By campaign and sequence number, what the subscriber was told."""
    quota: float
    began: float = 0.0
    """Seconds since the epoch."""
    stalls: Sequence[Stall] = ()
    """How long the emulator took to answer."""
    commits: Sequence[Stall] = ()
    """How long PostgreSQL took to commit."""
    queues: Mapping[str, tuple[int, int] | None] = field(default_factory=dict)
    """Messages ready and unacked by queue; None: the queue is not there."""
    outbox: int = 0
    dead_letters: Sequence[DeadLetter] = ()
    injected: Sequence[tuple[float, str, bytes]] = ()
    """Broken messages that the broker took: when, the queue that it led to, the body."""
    offered: Collection[tuple[str, bytes]] = ()
    """Those that it may have taken: the queue, the body."""
    emptied: Sequence[tuple[float, str]] = ()
    """When which queue was purged or deleted."""
    memory: Mapping[str, int] = field(default_factory=dict)
    """The most bytes that each process held."""
    lost: Sequence[LostLease] = ()
    """Leases that were lost."""
    disturbances: Sequence[Disturbance] = ()
