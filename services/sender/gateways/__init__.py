"""The client of FCM: takes request bodies, returns one answer for each.

In: message bodies (`services.sender.message`) and a `Route` (`services.sender.credentials`).
Out: an `Answer` for every request that was started, through a callback; `services.sender.answers` judges it.
Owns: connections, request handles, pacing within a batch.
Promises: a started position gets exactly one answer, whatever happens to the connection; a request whose body
was handed to the network is never repeated here; `sent=False` only if the body provably never left this process.

Reading order: this file, `paced_batch` (which message starts when), `transfer` (one request), `idle_transfers` (free
handles), `connection_pool` (libcurl on the event loop), `tcp_cork` (many messages in one segment), `fcm` (the gateway),
and beside them `firebase` with `firebase_message`, the reference that the tests compare with.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Fault(StrEnum):
    """Why no answer came."""

    RESOLVE = "RESOLVE_FAILED"
    CONNECT = "CONNECT_FAILED"
    TLS = "TLS_FAILED"
    TIMEOUT = "TIMEOUT"
    CUT = "CONNECTION_CUT"
    ABORTED = "ABORTED"


@dataclass(frozen=True, slots=True)
class TransportError:
    """A request that ended without a whole answer; `sent=False`: its body provably never left this process."""

    fault: Fault
    sent: bool
    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `status` 0 when not even a status line did. Header names are lower case."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: TransportError | None = None


ACCEPTED = Answer(200)
"""Any 200 with a JSON body: one shared value, so that `answer is ACCEPTED` is the fast path."""


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """Where a project's messages go and with which headers; a new object for each access token."""

    project: str
    url: str
    headers: tuple[str, ...] = field(repr=False)


OnAnswer = Callable[[int, Answer], None]
"""Called on the event loop with the index in `messages` and its answer; must be quick and must not block."""


@dataclass(frozen=True, slots=True)
class Pace:
    """When requests may start, on the event loop's clock (`loop.time()`)."""

    start_at: float = 0.0
    per_second: float | None = None
    stop_at: float = float("inf")
    keep_going: Callable[[], bool] = lambda: True


UNPACED = Pace()


class Messages(Protocol):
    """Request bodies by index: a list, or something that makes each when asked."""

    def __len__(self) -> int: ...
    def __getitem__(self, position: int, /) -> bytes: ...


class Gateway(Protocol):
    """Sends messages to FCM."""

    async def send_batch(self, messages: Messages, *, route: Route, on_answer: OnAnswer, pace: Pace = UNPACED) -> int:
        """Start requests in order within `pace`, wait for all in flight, return how many were started.

        Positions from the returned number on were never started. Stops early when `keep_going` says no or
        `stop_at` passes. Raises what `on_answer` raised, after all in flight have ended. When cancelled it
        starts nothing more and forgets the answers to come.
        """
        ...

    async def close(self, budget: float) -> None:
        """Start nothing more, wait up to `budget` seconds for answers, then abort the rest with an answer each."""
        ...
