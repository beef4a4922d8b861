"""The world around the ledger, as values: a broker that loses and repeats, FCM, senders, and what they know.

The senders here follow the design's order (send, release, outcomes, retry, ack) one step at a time, so that a test
can crash them between any two.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from shared.contracts.messages import BatchReady, BatchResult
from shared.ledger import letters
from shared.ledger.claiming import Claim
from shared.ledger.releasing import Release

RETRY_AFTER = 10.0


class Answer(Enum):
    """What FCM does with one request."""

    ACCEPTED = auto()
    UNREGISTERED = auto()
    REFUSED = auto()
    UNAVAILABLE = auto()
    SILENT_ACCEPTED = auto()
    SILENT_LOST = auto()


class Doing(Enum):
    """Where a sender is in its order of work."""

    SENDING = auto()
    EMITTING = auto()
    RETRYING = auto()
    ACKING = auto()


@dataclass
class Broker:
    """Messages by where they are; wiping it must cost nothing but time."""

    lane: list[BatchReady] = field(default_factory=list)
    rung: list[BatchReady] = field(default_factory=list)
    results: list[BatchResult] = field(default_factory=list)

    def wipe(self) -> None:
        """Lose every message."""
        self.lane.clear()
        self.rung.clear()
        self.results.clear()


@dataclass
class Fcm:
    """What was delivered: pushes by device, and those of them that the ledger could not have known of.

    A push is excused when nobody answered it and repeats are allowed, or when its claim's lease was lost.
    """

    pushes: Counter[int] = field(default_factory=Counter)
    excused: Counter[int] = field(default_factory=Counter)


@dataclass
class Sender:
    """A sender that holds a batch: `ids` by position, a letter per position, and what must be tried again."""

    claim: Claim
    ids: Sequence[int]
    message: BatchReady
    letters: list[str]
    doing: Doing = Doing.SENDING
    has_message: bool = True
    lease_over: bool = False
    unavailable: set[int] = field(default_factory=set)
    silent: set[int] = field(default_factory=set)
    pushed: list[int] = field(default_factory=list)
    codes: dict[int, str] = field(default_factory=dict)
    dead: dict[int, str] = field(default_factory=dict)
    outcomes: str = ""
    retry_epoch: int | None = None

    @property
    def to_send(self) -> list[int]:
        """Positions that may still be requested under this claim: none once the lease is over."""
        if self.claim.expired or self.lease_over or self.doing is not Doing.SENDING:
            return []
        tried = self.unavailable | self.silent
        return [p for p in self.claim.open_positions if self.letters[p] == letters.PENDING and p not in tried]

    def request(self, position: int, answer: Answer, fcm: Fcm) -> None:
        """Send one push and write down what is known of it."""
        target = next((t for t in self.claim.targets if t.position == position), None)
        if target is None:
            self.letters[position] = letters.settle(letters.SKIPPED, doubt=self.claim.doubt)
            return
        device = self.ids[position]
        if answer in {Answer.ACCEPTED, Answer.SILENT_ACCEPTED}:
            fcm.pushes[device] += 1
            if answer is Answer.SILENT_ACCEPTED and not self.claim.at_most_once:
                fcm.excused[device] += 1
            else:
                self.pushed.append(device)
        if answer is Answer.ACCEPTED:
            self.letters[position] = letters.ACCEPTED
        elif answer is Answer.UNREGISTERED:
            self.letters[position] = letters.UNREGISTERED
            self.dead[position] = target.hash.hex()
        elif answer is Answer.REFUSED:
            self.letters[position] = letters.REFUSED
            self.codes[position] = "INVALID_ARGUMENT"
        elif answer is Answer.UNAVAILABLE:
            self.unavailable.add(position)
            self.codes[position] = "UNAVAILABLE"
        elif self.claim.at_most_once:
            self.letters[position] = letters.UNKNOWN
        else:
            self.silent.add(position)

    def conclude(self, *, expired: bool) -> Release:
        """Decide what the release says: what is exhausted or expired ends here, what was not sent stays open."""
        tried = self.unavailable | self.silent
        requested = tried or self.pushed or self.codes or self.dead
        attempt = self.claim.attempt + bool(requested)
        doubt = self.claim.doubt or bool(self.silent)
        for position in self.claim.open_positions:
            if self.letters[position] != letters.PENDING:
                continue
            if position in tried and attempt >= self.claim.max_attempts:
                self.letters[position] = letters.settle(letters.DEAD, doubt=doubt)
            elif expired:
                self.letters[position] = letters.settle(letters.EXPIRED, doubt=doubt)
        outcomes = "".join(self.letters)
        still_open = letters.open_positions(self.claim.outcomes, letters.join(self.claim.reported, outcomes))
        return Release(
            outcomes=outcomes,
            retry_after=RETRY_AFTER if still_open else None,
            attempt=attempt,
            unanswered=bool(self.silent),
            codes=self.codes,
            dead=self.dead,
        )

    def result(self) -> BatchResult | None:
        """Say all that is known, if anything is."""
        if not self.outcomes.strip(letters.PENDING):
            return None
        return BatchResult(
            campaign_id=self.claim.campaign_id,
            batch_no=self.claim.batch_no,
            epoch=self.claim.epoch,
            outcomes=self.outcomes,
            codes=self.codes,
            dead=self.dead,
        )
