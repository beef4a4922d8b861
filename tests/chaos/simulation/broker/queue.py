"""One quorum queue: messages ready, messages in consumers' hands, and who consumes."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared import topology


@dataclass(slots=True)
class Message:
    """A message in one queue; `deliveries` counts how often it came back."""

    body: bytes
    kind: str | None
    exchange: str
    routing_key: str
    headers: Mapping[str, Any]
    correlation: str | None
    message_id: str | None
    deliveries: int = 0
    expires_at: float | None = None

    def copy(self, *, exchange: str, routing_key: str) -> "Message":
        """The same content on its way into a queue."""
        return Message(self.body, self.kind, exchange, routing_key, self.headers, self.correlation, self.message_id)

    @property
    def published_at(self) -> datetime:
        """A time; nobody decides by it."""
        return datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(slots=True, eq=False)
class Unacked:
    """A message in a consumer's hands; `lost`: the queue was wiped and knows nothing of it any more."""

    queue: "Queue"
    message: Message
    lost: bool = False


@dataclass(slots=True, eq=False)
class Consumer:
    """Who takes messages from a queue: `hand` puts one on its way, `room` says how many more it may hold."""

    tag: str
    room: Callable[[], int]
    hand: Callable[[Unacked], None]


@dataclass(slots=True, eq=False)
class Queue:
    """A queue as `shared.topology` describes it."""

    spec: topology.Queue
    ready: deque[Message] = field(default_factory=deque)
    unacked: dict[int, Unacked] = field(default_factory=dict)
    consumers: list[Consumer] = field(default_factory=list)
    turn: int = 0

    @property
    def name(self) -> str:
        """Its name."""
        return self.spec.name

    @property
    def ttl(self) -> float | None:
        """The TTL of a message in seconds, if there is one."""
        milliseconds = self.spec.arguments.get("x-message-ttl")
        return None if milliseconds is None else int(milliseconds) / 1000

    @property
    def limit(self) -> int:
        """Deliveries of one message before it is dead."""
        return int(self.spec.arguments.get("x-delivery-limit", 1_000_000_000))

    def next_consumer(self) -> Consumer | None:
        """Whose turn it is among those with room."""
        for _ in range(len(self.consumers)):
            self.turn = (self.turn + 1) % len(self.consumers)
            consumer = self.consumers[self.turn]
            if consumer.room() > 0:
                return consumer
        return None

    def wipe(self) -> int:
        """Lose every message, those in consumers' hands too; returns how many were lost."""
        lost = len(self.ready) + len(self.unacked)
        self.ready.clear()
        for unacked in self.unacked.values():
            unacked.lost = True
        self.unacked.clear()
        return lost
