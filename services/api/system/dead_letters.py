"""What a dead letter is: pure. It says where it was, why it died, and where a replay would put it.

A message gets to `dead` in two ways: a service publishes what it cannot decode or what keeps crashing, with the reason
in headers of ours; the broker moves what was delivered too often, with its own `x-death`.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.request_id import MESSAGE_HEADER
from shared.topology import DEAD_LETTERS, QUEUES

REPLAYABLE = frozenset(queue.name for queue in QUEUES) - {DEAD_LETTERS.name}
UNKNOWN = "unknown"
OURS = ("carillon-queue", "carillon-routing-key", "carillon-reason")


@dataclass(frozen=True, slots=True)
class Letter:
    """One message of `dead`."""

    id: str
    kind: str | None
    queue: str
    routing_key: str
    reason: str
    correlation: str | None
    request_id: str | None
    died_at: datetime | None
    body: bytes
    headers: Mapping[str, Any]

    @property
    def replayable(self) -> bool:
        """Whether it came from a queue of ours, so that there is somewhere to put it."""
        return self.queue in REPLAYABLE


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters; what is None does not restrict."""

    ids: Collection[str] | None = None
    queue: str | None = None
    reason: str | None = None

    def takes(self, letter: Letter) -> bool:
        """Whether the letter is chosen."""
        return (
            (self.ids is None or letter.id in self.ids)
            and (self.queue is None or letter.queue == self.queue)
            and (self.reason is None or letter.reason == self.reason)
        )


def read(body: bytes, properties: Any, routing_key: str) -> Letter:
    """The letter that a delivery is; `properties` are AMQP's, whoever set them."""
    headers: dict[str, Any] = properties.headers or {}
    death = _first_death(headers)
    buried = _text(headers.get("carillon-queue"))
    known = properties.message_id or "sha256-" + hashlib.sha256(routing_key.encode() + b"\n" + body).hexdigest()[:32]
    return Letter(
        id=_text(known) or UNKNOWN,
        kind=_text(properties.message_type),
        queue=buried or _text(death.get("queue")) or UNKNOWN,
        routing_key=_text(headers.get("carillon-routing-key")) or _first(death.get("routing-keys")) or routing_key,
        reason=_text(headers.get("carillon-reason")) or _text(death.get("reason")) or UNKNOWN,
        correlation=_text(properties.correlation_id),
        request_id=_text(headers.get(MESSAGE_HEADER)),
        died_at=_moment(properties.timestamp if buried else death.get("time")),
        body=body,
        headers={name: value for name, value in headers.items() if _travels(name)},
    )


def _travels(header: str) -> bool:
    """Whether a header goes along with a replay: brokers' own do not, and why it died is over then."""
    return header not in OURS and not header.startswith("x-")


def _first_death(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    deaths = headers.get("x-death")
    first = deaths[0] if isinstance(deaths, list) and deaths else {}
    return first if isinstance(first, dict) else {}


def _first(values: object) -> str | None:
    return _text(values[0]) if isinstance(values, list) and values else None


def _text(value: object) -> str | None:
    """A header's text: brokers and clients send it as bytes or as text."""
    if isinstance(value, bytes | bytearray):
        value = value.decode(errors="replace")
    return str(value)[:500] if value else None


def _moment(value: object) -> datetime | None:
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return value.replace(tzinfo=value.tzinfo or UTC) if isinstance(value, datetime) else None
