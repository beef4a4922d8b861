"""One batch's letters: answers are written straight into an array, and the end of the claim decides the rest.

Pure but for the clock that is passed in: what a position becomes depends on its last answer, the attempts made, the
deadline, and whether anybody can know that it was not sent.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from random import Random

from services.sender.answers import Scope, Verdict, backoff, judge
from services.sender.gateways import ACCEPTED, Answer
from services.sender.incidents import BURST, OUTAGE_LEAST, Incidents, Recovered
from shared.ledger import letters
from shared.ledger.claiming import Claim, Target
from shared.ledger.releasing import Release

BLOCKED_WAIT = 60.0
"""Seconds until positions of a platform that FCM refuses are looked at again."""
SAMPLE = 300
"""Characters of an answer's text that are kept for a code."""

OK = "OK"
"""What an acceptance is called among the codes of answers."""

_DOT, _ACCEPTED = ord(letters.PENDING), ord(letters.ACCEPTED)


@dataclass(slots=True)
class Outcomes:
    """Collects the answers of a claim; `targets[i]` is where the i-th message goes."""

    claim: Claim
    targets: Sequence[Target]
    array: bytearray = field(init=False)
    again: dict[int, tuple[Verdict, str]] = field(default_factory=dict)
    codes: dict[int, str] = field(default_factory=dict)
    dead: dict[int, str] = field(default_factory=dict)
    samples: dict[str, str] = field(default_factory=dict)
    accepted: int = 0
    answers: int = 0
    unreached: int = 0
    refused_payloads: int = 0
    stop: bool = False

    def __post_init__(self) -> None:
        """Start with nothing known."""
        self.array = bytearray([_DOT]) * self.claim.size

    def write(self, index: int, answer: Answer) -> None:
        """Write the answer to the index-th message; called on the event loop for every message."""
        self.answers += 1
        target = self.targets[index]
        if answer is ACCEPTED:
            self.array[target.position] = _ACCEPTED
            self.accepted += 1
            return
        verdict = judge(answer, payload_proven=self.claim.proven or self.accepted > 0)
        if verdict.letter is None:
            self.again[target.position] = (verdict, target.platform)
            self.stop = self.stop or self._goes_beyond(verdict)
            return
        self.array[target.position] = ord(verdict.letter)
        if verdict.letter == letters.ACCEPTED:
            self.accepted += 1
            return
        self._explain(target.position, verdict)
        # A dry run changes nothing: a token that it found dead is left to the next campaign.
        if verdict.letter == letters.UNREGISTERED and not self.claim.validate_only:
            self.dead[target.position] = target.hash.hex()

    def _goes_beyond(self, verdict: Verdict) -> bool:
        """Whether it is known to concern more than its device, so that sending on would only repeat it."""
        if verdict.unreached:
            self.unreached += 1
            return self.unreached >= OUTAGE_LEAST
        if verdict.scope is Scope.CAMPAIGN:
            self.refused_payloads += 1
            return self.refused_payloads >= BURST and not self.claim.validate_only
        return verdict.scope is Scope.PROJECT

    def by_code(self) -> Counter[str]:
        """Answers so far by their code; ask before `settle`, which adds reasons of ours."""
        codes = Counter(self.codes.values())
        codes.update(verdict.code for verdict, _ in self.again.values())
        codes[OK] = self.accepted
        return codes

    def skip(self, positions: list[int]) -> None:
        """End open positions whose device is gone or inactive by now."""
        for position in positions:
            self._end(position, letters.SKIPPED, unanswered=False)

    def expire(self) -> None:
        """End every open position: the deadline has passed."""
        for position in self.claim.open_positions:
            self._end(position, letters.EXPIRED, unanswered=False)

    def settle(self, *, life: float | None, free: bool, rng: Random) -> Release:
        """Decide every position that wants another attempt; `life`: seconds until the deadline, if there is one.

        A failure that is not the device's costs it no attempt: one of the project or platform, and with `free` every
        failure (an outage, a campaign that is being stopped).
        """
        costly = {} if free else {p: v for p, (v, _) in self.again.items() if v.scope in (Scope.DEVICE, Scope.CAMPAIGN)}
        attempt = self.claim.attempt + 1 if costly else self.claim.attempt
        asked = max((v.retry_after for v, _ in self.again.values() if v.retry_after is not None), default=None)
        wait = backoff(max(1, attempt), asked, rng) if self.again else 0.0
        late = life is not None and wait >= life
        unanswered = False
        for position, (verdict, _) in self.again.items():
            in_doubt = verdict.sent and not verdict.answered
            if in_doubt and self.claim.at_most_once:
                self._end(position, letters.UNKNOWN, unanswered=True, verdict=verdict)
            elif position in costly and attempt >= self.claim.max_attempts:
                self._end(position, letters.DEAD, unanswered=in_doubt, verdict=verdict)
            elif late:
                self._end(position, letters.EXPIRED, unanswered=in_doubt, verdict=verdict)
            else:
                unanswered = unanswered or in_doubt
        outcomes = self.array.decode()
        left = letters.open_positions(self.claim.outcomes, letters.join(self.claim.reported, outcomes))
        return Release(
            outcomes=outcomes,
            retry_after=self._retry_after(left, wait),
            attempt=min(attempt, self.claim.max_attempts - 1) if left else attempt,
            unanswered=unanswered,
            codes=self.codes,
            dead=self.dead,
        )

    def recovered(self, incidents: Incidents) -> Recovered:
        """What this claim's probes have shown to work: FCM answered them for their device."""
        answered = {target.platform for target in self.targets if self.array[target.position] != _DOT}
        works = bool(answered) and not incidents.any
        return Recovered(project=self.claim.probe and works, platforms=self.claim.probing & answered)

    def _retry_after(self, left: list[int], wait: float) -> float | None:
        """Seconds until what is left may be sent; None when nothing is."""
        if not left:
            return None
        if any(position in self.again for position in left):
            return wait
        blocked = {target.position for target in self.claim.targets if target.platform in self.claim.blocked}
        return BLOCKED_WAIT if blocked.issuperset(left) else 0.0

    def _end(self, position: int, letter: str, *, unanswered: bool, verdict: Verdict | None = None) -> None:
        self.array[position] = ord(letters.settle(letter, doubt=self.claim.doubt or unanswered))
        if verdict is not None:
            self._explain(position, verdict)

    def _explain(self, position: int, verdict: Verdict) -> None:
        self.codes[position] = verdict.code
        self.samples.setdefault(verdict.code, verdict.message[:SAMPLE])


def choose(claim: Claim, open_positions: Collection[int]) -> list[Target]:
    """Targets to send to now: open, of no blocked platform, one of a platform that is probed, up to the limit."""
    if not claim.blocked and not claim.probing:
        return [target for target in claim.targets if target.position in open_positions][: claim.limit]
    chosen: list[Target] = []
    probed: set[str] = set()
    for target in claim.targets:
        if target.position not in open_positions or target.platform in claim.blocked | probed:
            continue
        if target.platform in claim.probing:
            probed.add(target.platform)
        chosen.append(target)
        if len(chosen) >= claim.limit:
            break
    return chosen
