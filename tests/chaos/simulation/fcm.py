"""FCM in memory: it answers by seeded mix and keeps a record of every request that reached it.

The answers are the emulator's own bodies, so that the sender's rules read what they would read.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.fcm_emulator.answers import DELIVERED, Reply, replies
from services.fcm_emulator.answers import Answer as Word
from shared.ledger.claiming import Claim
from tests.chaos.simulation.environment import EPOCH
from tests.chaos.simulation.history import History
from tests.chaos.simulation.weather import Weather

STORMS = (
    Word.UNAVAILABLE,
    Word.INTERNAL,
    Word.RATE_LIMIT_EXCEEDED,
    Word.UNAUTHENTICATED,
    Word.PERMISSION_DENIED,
    Word.HANG,
    Word.HANG_LOST,
)
"""What a whole project may be told for a while."""
FLAKES = (
    Word.UNAVAILABLE,
    Word.INTERNAL,
    Word.QUOTA_EXCEEDED,
    Word.RATE_LIMIT_EXCEEDED,
    Word.BAD_GATEWAY,
    Word.UNAUTHENTICATED,
    Word.THIRD_PARTY_AUTH_ERROR,
)
"""What a single request may be told."""
SILENCES = (Word.HANG, Word.CUT, Word.HANG_LOST, Word.CUT_LOST, Word.TRUNCATED)
"""How a request may stay without an answer, most of them after FCM has accepted it."""
UNCERTAIN = (*SILENCES, Word.BAD_GATEWAY)
"""After these a sender cannot know whether FCM has accepted."""

Key = tuple[int, str]
"""A campaign and a device's token."""


class Flow(NamedTuple):
    """Messages that share a rate: a project's, or those of a campaign with a rate of its own."""

    who: str
    per_second: float


@dataclass(slots=True)
class Record:
    """What FCM saw.

    `unanswered`: requests that their sender cannot know the end of. `starts`: by flow, when each request started, and
    how late that was for its place in the rate.
    """

    accepted: Counter[Key] = field(default_factory=Counter)
    unanswered: Counter[Key] = field(default_factory=Counter)
    refused: dict[Key, Word] = field(default_factory=dict)
    said: Counter[str] = field(default_factory=Counter)
    starts: dict[Flow, list[tuple[float, float]]] = field(default_factory=dict)
    unregistered: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Storm:
    """Everything that a project is told between two times."""

    project: str
    begins: float
    ends: float
    word: Word


class Fcm:
    """`dead` tokens are unregistered, `foreign` ones belong to another sender; each always gets the same answer."""

    def __init__(
        self,
        weather: Weather,
        history: History,
        *,
        rates: Mapping[str, float],
        dead: set[str],
        foreign: set[str],
        storms: Sequence[Storm],
    ) -> None:
        self._weather = weather
        self._history = history
        self._dead = dead
        self._foreign = foreign
        self.rates = rates
        self._storms = storms
        self._replies: dict[tuple[str, int | None], dict[Word, Reply]] = {}
        self.record = Record()
        self.slots: dict[Key, float] = {}

    def booked(self, claim: object) -> None:
        """A claim has given its messages their place in the quota, on the ledger's clock."""
        if isinstance(claim, Claim):
            start = claim.booked_at + claim.start_in - EPOCH.timestamp()
            for target in claim.targets:
                self.slots[claim.campaign_id, target.value] = start

    def receive(self, project: str, key: Key) -> Word:
        """Decide a request."""
        word = self._decide(project, key[1])
        record = self.record
        record.said[word.value] += 1
        if word in DELIVERED:
            record.accepted[key] += 1
        elif word is Word.UNREGISTERED:
            record.unregistered.add(key[1])
        if word in (Word.UNREGISTERED, Word.SENDER_ID_MISMATCH):
            record.refused[key] = word
        if word in UNCERTAIN:
            record.unanswered[key] += 1
        if self._history.on:
            self._history.add("fcm", project, *key, word.value)
        return word

    def reply(self, project: str, word: Word) -> Reply:
        """The words on the wire, sometimes with a Retry-After."""
        later = self._weather.rng.choice((None, 2, 15)) if word is not Word.ACCEPTED else None
        known = self._replies.get((project, later))
        if known is None:
            known = self._replies[project, later] = replies(project, retry_after=later)
        return known[word]

    def _decide(self, project: str, token: str) -> Word:
        if not self._weather.foul:
            return self._stable(token)
        now = self._weather.now()
        for storm in self._storms:
            if storm.project == project and storm.begins <= now < storm.ends:
                return (
                    Word.HANG_LOST
                    if storm.word is Word.HANG and self._stable(token) is not Word.ACCEPTED
                    else storm.word
                )
        if self._weather.strikes(self._weather.climate.flaky):
            return self._weather.rng.choice(FLAKES)
        word = self._stable(token)
        if word is Word.ACCEPTED and self._weather.strikes(self._weather.climate.silent):
            return self._weather.rng.choice(SILENCES)
        return word

    def _stable(self, token: str) -> Word:
        if token in self._dead:
            return Word.UNREGISTERED
        return Word.SENDER_ID_MISMATCH if token in self._foreign else Word.ACCEPTED


def read(body: bytes) -> Key:
    """Campaign and token of a request: the campaign's number travels in its data."""
    message = json.loads(body)["message"]
    return int(message["data"]["campaign"]), str(message["token"])
