"""What the application and the two protocols have in common: a request's head, and the ways to end it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from services.fcm_emulator.answers import Reply


class Head(NamedTuple):
    """All of a request but its body."""

    method: str
    path: str
    query: str
    authorization: str | None


class Exchange(Protocol):
    """One request that waits for its end; once its client has left, each of these does nothing."""

    def accept(self, body: bytes) -> None:
        """Answer 200 with this JSON: the hot path."""

    def answer(self, reply: Reply) -> None:
        """Answer."""

    def break_off(self, reply: Reply, *, missing: int) -> None:
        """Answer, but with a length that is so many bytes more than the body has, and break off after the body."""

    def stream(self, headers: list[tuple[str, str]], chunks: Iterator[bytes]) -> None:
        """Answer 200 with as many bytes as come, each chunk asked for when there is room for it."""

    def hang(self) -> None:
        """Never answer; the client leaves first, or the emulator ends and cuts it off."""

    def cut(self) -> None:
        """Cut the connection, after the answers given before."""


# Called once the body is whole: authorization, body, exchange.
Handler = Callable[[str | None, bytes, Exchange], None]
# Finds who handles a request; the same head always gets an equal handler.
Router = Callable[[Head], Handler]
