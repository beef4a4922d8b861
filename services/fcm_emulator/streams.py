"""One request on an HTTP/2 connection, and its answer as far as windows let it go."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Protocol

from services.fcm_emulator import frames
from services.fcm_emulator.answers import JSON
from services.fcm_emulator.frames import NUMBER, Code
from services.fcm_emulator.headers import answer_block

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.fcm_emulator.answers import Reply
    from services.fcm_emulator.headers import Routed

# FCM's bodies are a few kB.
LARGEST_BODY = 1 << 20
# What a client may send on a stream, padding included; it is never topped up.
WINDOW = LARGEST_BODY + frames.SMALLEST_FRAME_SIZE


class StreamConnection(Protocol):
    """What a stream needs of its connection: the state that all streams share, and the ways to send."""

    # The streams that wait for their answer, by number.
    streams: dict[int, Stream]
    # Frames to be written.
    out: list[bytes]
    # Bytes that we may still send on the connection.
    room: int
    # The largest body that may be sent by the short way, in one frame after a constant header block.
    short: int

    @property
    def paused(self) -> bool:
        """Whether the socket is full."""

    # The largest frame that the client takes, in bytes.
    most: int

    def close_stream(self, stream: Stream, code: Code) -> None:
        """Break a stream off."""

    def answer_headers(self, number: int, block: bytes, *, flags: int = 0) -> None:
        """Hold the header block of a stream's answer for the next write."""

    def flush_soon(self) -> None:
        """Write what is held, once for all that is answered in this turn of the loop."""

    def hold(self, part: bytes) -> None:
        """Hold a frame of a long answer for the next write."""

    def cut(self) -> None:
        """Cut the connection after the answers given before."""


class Stream:
    """An `Exchange` over HTTP/2."""

    __slots__ = (
        "_authorization", "_bodiless", "_body", "_breaks", "_chunks", "_connection", "_handler", "_length", "_pending",
        "_received", "answered", "ended", "hanging", "id", "window",
    )  # fmt: skip

    def __init__(self, connection: StreamConnection, number: int, routed: Routed, window: int) -> None:
        self.id = number
        # What we may still send on it.
        self.window = window
        self.ended = self.hanging = self.answered = self._breaks = False
        self._connection = connection
        self._handler, self._authorization, self._length, self._bodiless = routed
        self._body = b""
        self._pending: memoryview | bytes
        self._received = 0

    def data(self, payload: bytes, size: int, ended: int) -> None:
        """Take a part of the body; `size` counts its padding too."""
        if self.ended:
            self._connection.close_stream(self, Code.STREAM_CLOSED)
        elif ended and not self._received:
            self.whole(payload)
        else:
            self._received += size
            self._body += payload
            # The window used up without an end: nothing more can come.
            if len(self._body) > LARGEST_BODY or (self._received >= WINDOW and not ended):
                self._connection.close_stream(self, Code.ENHANCE_YOUR_CALM)
                return
            if ended:
                self.whole(self._body)

    def whole(self, body: bytes) -> None:
        """Handle the request: all of it is here."""
        self.ended = True
        if self._length is not None and self._length != len(body):
            self._connection.close_stream(self, Code.PROTOCOL_ERROR)
            return
        self._handler(self._authorization, body, self)

    def accept(self, body: bytes) -> None:
        """Answer 200 with this JSON."""
        connection, size = self._connection, len(body)
        if size > self.window or size > connection.room or size > connection.short:
            self._respond(_accepted_block(size), iter((body,)))
        elif connection.streams.pop(self.id, None) is not None:
            connection.room -= size
            before, between = _accepted(size)
            number = NUMBER.pack(self.id)
            connection.out += (before, number, between, number, body)
            connection.flush_soon()

    def answer(self, reply: Reply) -> None:
        """Answer."""
        status, headers, body = reply
        self._respond(answer_block(status, (*headers, ("content-length", str(len(body))))), iter((body,)))

    def break_off(self, reply: Reply, *, missing: int) -> None:
        """Answer, and reset the stream after the body."""
        status, headers, body = reply
        self._breaks = True
        self._respond(answer_block(status, (*headers, ("content-length", str(len(body) + missing)))), iter((body,)))

    def stream(self, headers: list[tuple[str, str]], chunks: Iterator[bytes]) -> None:
        """Answer 200 with as many bytes as come."""
        self._respond(answer_block(200, tuple(headers)), chunks)

    def hang(self) -> None:
        """Never answer."""
        self.hanging = True

    def cut(self) -> None:
        """Cut the connection, if it still waits here."""
        if self.id in self._connection.streams:
            self._connection.cut()

    def push(self) -> None:
        """Send on, as far as windows and the socket let it go."""
        connection = self._connection
        while self.answered and not connection.paused:
            if not self._pending:
                chunk = next(self._chunks, None)
                if chunk is None and self._breaks:
                    connection.close_stream(self, Code.INTERNAL_ERROR)
                    return
                if chunk is None:
                    connection.streams.pop(self.id, None)
                    connection.hold(frames.frame(frames.DATA, frames.END_STREAM, self.id))
                    return
                self._pending = memoryview(chunk)
                continue
            size = min(len(self._pending), connection.most, connection.room, self.window)
            if size <= 0:
                return
            connection.room -= size
            self.window -= size
            part, self._pending = self._pending[:size], self._pending[size:]
            connection.hold(frames.frame(frames.DATA, 0, self.id, part))

    def _respond(self, block: bytes, chunks: Iterator[bytes]) -> None:
        connection = self._connection
        if self.id not in connection.streams:
            return
        if self._bodiless:
            del connection.streams[self.id]
            connection.answer_headers(self.id, block, flags=frames.END_STREAM)
        else:
            self.answered, self._chunks, self._pending = True, chunks, b""
            connection.answer_headers(self.id, block)
            self.push()
        connection.flush_soon()


def _accepted_block(size: int) -> bytes:
    return answer_block(200, (*JSON, ("content-length", str(size))))


@cache
def _accepted(size: int) -> tuple[bytes, bytes]:
    """Return what stands before and between the stream's number in the two frames of a 200, by its body's size."""
    block = _accepted_block(size)
    head = frames.frame(frames.HEADERS, frames.END_HEADERS, 0, block)
    data = frames.HEADER.pack(size << 8 | frames.DATA, frames.END_STREAM, 0)
    return head[:5], block + data[:5]
