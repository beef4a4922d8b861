"""One project's `messages:send`: the hot path. Decide, record, answer.

The fate of a message is decided and recorded before its answer is delayed, dropped or cut, as at FCM: a client that
gives up waiting has still sent it.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from time import time
from typing import TYPE_CHECKING

from services.fcm_emulator.answers import (
    ACCEPTED,
    JSON,
    NO_CREDENTIALS,
    NO_TOPICS,
    Answer,
    Reply,
    invalid,
    rate_limited,
    replies,
)
from services.fcm_emulator.message import InvalidMessageError, NoTopicsError, Reader
from services.fcm_emulator.quota import Bucket
from services.fcm_emulator.record import Record
from services.fcm_emulator.script import Plan

if TYPE_CHECKING:
    from services.fcm_emulator.exchange import Exchange
    from services.fcm_emulator.script import Script

_HANGS = {Answer.HANG, Answer.HANG_LOST}
# All that comes of an answer that breaks off, and what it lacks.
_BROKEN, _MISSING = Reply(200, JSON, b'{"name"'), 93

# A request as it came, kept for tests that ask what was on the wire: project, target, answer, bearer, body.
Sighting = tuple[str, bytes, Answer, str, bytes]


class Project:
    """What FCM knows of a project: its quota, its record, the script in force."""

    def __init__(
        self,
        name: str,
        script: Script,
        *,
        revoked: set[str],
        sightings: deque[Sighting],
    ) -> None:
        self.name = name
        self.records: dict[str, Record] = {}
        self.refused_unread: Counter[Answer] = Counter()
        self._reader = Reader()
        self._revoked = revoked
        self._sightings = sightings
        self._sent = 0
        self._rng = random.Random(script.seed)
        names = b'{\n  "name": "projects/' + name.encode() + b"/messages/"
        self._head = names + b"0:%d%%" % int(time())
        self._validated = names + b'fake_message_id"\n}\n'
        self.follow(script)

    def follow(self, script: Script) -> None:
        """Answer by this script from now on; its windows are counted from now, its bucket is full."""
        self.plan = Plan(script, started=time())
        self._bucket = Bucket(script.quota) if script.quota else None
        per_minute = self._bucket.per_minute if self._bucket else 600_000
        self._replies = replies(self.name, retry_after=script.retry_after, per_minute=per_minute)

    def forget(self) -> None:
        """Drop the record."""
        self.records.clear()
        self.refused_unread.clear()

    def send(self, authorization: str | None, body: bytes, exchange: Exchange) -> None:
        """Handle one request."""
        decided = self.decide(authorization, body, time())
        if self.plan.latency is not None:
            asyncio.get_running_loop().call_later(self.plan.latency.sample(self._rng), _end, decided, exchange)
        elif type(decided) is bytes:
            exchange.accept(decided)
        else:
            _end(decided, exchange)

    def decide(self, authorization: str | None, body: bytes, now: float) -> bytes | Reply | Answer:
        """Decide and record a request's fate: the body of a 200, another reply, or a silence."""
        bearer = _bearer(authorization)
        if bearer is None or (self._revoked and bearer in self._revoked):
            self.refused_unread[Answer.UNAUTHENTICATED] += 1
            return NO_CREDENTIALS if bearer is None else self._replies[Answer.UNAUTHENTICATED]
        try:
            token, label, validate_only = self._reader.read(body)
        except InvalidMessageError as wrong:
            self.refused_unread[Answer.INVALID_ARGUMENT] += 1
            return _refused(wrong)
        record = self.records.get(label)
        if record is None:
            record = self.records[label] = Record()
        nth = record.seen.get(token, 0)
        if self._bucket is not None and not self._bucket.take(now):
            answer = Answer.RATE_LIMIT_EXCEEDED
        else:
            answer = self.plan.answer(token, nth, now)
        if not validate_only:
            self._sightings.append((self.name, token, answer, bearer, body))
            if answer is ACCEPTED:
                record.accept(token, nth, now)
            else:
                record.add(token, nth, answer, now)
        if answer is not ACCEPTED:
            return self._refusal(answer, now)
        if validate_only:
            return self._validated
        self._sent += 1
        return self._head + b'%x"\n}\n' % self._sent

    def _refusal(self, answer: Answer, now: float) -> Reply | Answer:
        if answer is Answer.RATE_LIMIT_EXCEEDED and self._bucket is not None:
            wait = self._bucket.retry_after(now)
            return rate_limited(self.name, per_minute=self._bucket.per_minute, retry_after=wait)
        return self._replies.get(answer, answer)


def _bearer(authorization: str | None) -> str | None:
    """Return a bearer with its scheme as it is usually written, None where there is no bearer."""
    if authorization is not None and authorization[:7] == "Bearer " and authorization[7:8] > " ":
        return authorization
    scheme, _, token = (authorization or "").partition(" ")
    token = token.lstrip(" ")
    return f"Bearer {token}" if token and scheme.lower() == "bearer" else None


def _refused(wrong: InvalidMessageError) -> Reply:
    return NO_TOPICS if isinstance(wrong, NoTopicsError) else invalid(wrong.violations, unread=wrong.unread)


def _end(decided: bytes | Reply | Answer, exchange: Exchange) -> None:
    """Answer, break off in the answer, fall silent or cut the connection."""
    if isinstance(decided, bytes):
        exchange.accept(decided)
    elif isinstance(decided, Reply):
        exchange.answer(decided)
    elif decided is Answer.TRUNCATED:
        exchange.break_off(_BROKEN, missing=_MISSING)
    elif decided in _HANGS:
        exchange.hang()
    else:
        exchange.cut()
