"""A server's side of an HTTP/2 connection (RFC 9113), in the loop that reads.

All frames of a chunk are read, their requests decided, their answers written at once: no task, no future, no wake-up
for a message. Answers that become due later go out together at the end of their turn of the loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.fcm_emulator import frames
from services.fcm_emulator.connections import Connection
from services.fcm_emulator.fields import HeadError
from services.fcm_emulator.frames import BrokenProtocolError, Code
from services.fcm_emulator.framing import FrameReader
from services.fcm_emulator.headers import BlockError, Heads
from services.fcm_emulator.streams import WINDOW, Stream

if TYPE_CHECKING:
    import asyncio

    from services.fcm_emulator.connections import Connections
    from services.fcm_emulator.exchange import Router

# FCM's reported figure; a client that ignores SETTINGS gets its surplus streams refused.
MAX_CONCURRENT_STREAMS = 100
# All streams with the largest bodies; half of it is given back at a time.
_CONNECTION_WINDOW = 128 << 20
# Held back before it is written: answers that fit share a write, a long stream learns of a full socket.
_WRITE = 1 << 16
# A client that was told GOAWAY gets this long to close by itself, so that nothing it sends meanwhile breaks an answer.
_LINGER = 0.05
_LAST_CALL = b"lastcall"
# Its answer is a round trip away; a client that gives none hears the second GOAWAY after so many seconds.
_LAST_CALL_BUDGET = 5.0
# FCM's words for a stream too many, where it ends the connection.
_SURPLUS = "exceeded_max_concurrent_streams"
# Says that our table of headers is empty (RFC 7541, 6.3).
_NO_TABLE = b"\x20"


class Http2(Connection):
    """One connection."""

    def __init__(self, router: Router, connections: Connections) -> None:
        super().__init__(router, connections)
        self.streams: dict[int, Stream] = {}
        self.out: list[bytes] = []
        self.most = self.short = frames.SMALLEST_FRAME_SIZE
        # What we may still send.
        self.room = frames.DEFAULT_WINDOW
        self._initial_window = frames.DEFAULT_WINDOW
        self._heads = Heads(router)
        self._reader = FrameReader(self)
        self._reading = False
        self._due = False
        self._held = 0
        self._last = 0
        # Received and not given back to the connection's window.
        self._received = 0
        # Reset by us before their client had ended them: what it had sent until then may still come.
        self._reset: set[int] = set()
        # Our answers use no table; a client that made it smaller wants to hear so, once.
        self._table_told = False
        self._announced = False
        self._leaving = False

    @property
    def over(self) -> bool:
        """Whether nothing more is read."""
        return self._over

    @property
    def busy(self) -> bool:
        """Whether a stream waits for its answer."""
        return bool(self.streams) and not self._over

    @property
    def hanging(self) -> bool:  # type: ignore[override]  # worked out when asked
        """Whether a stream waits for ever."""
        return any(stream.hanging for stream in self.streams.values())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say our settings."""
        super().connection_made(transport)
        ours = {frames.MAX_CONCURRENT_STREAMS: MAX_CONCURRENT_STREAMS, frames.INITIAL_WINDOW_SIZE: WINDOW}
        raised = frames.window_update(0, _CONNECTION_WINDOW - frames.DEFAULT_WINDOW)
        self._transport.write(frames.settings(ours) + raised)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget what was asked: requests that were not whole were not sent, answers have no one to go to."""
        super().connection_lost(error)
        self.streams.clear()
        self.out.clear()

    def resume_writing(self) -> None:
        """Send on."""
        super().resume_writing()
        self._send_on()

    def goaway(self) -> None:
        """Announce the end; what the client sends before it hears of it is still answered, then the connection closes.

        Two GOAWAY, as RFC 9113 6.8 has it: the first names no stream, the second, a round trip later, the newest.
        """
        if not self._announced:
            self._announced = True
            self.out.append(frames.goaway(frames.LARGEST_WINDOW, Code.NO_ERROR))
            self.out.append(frames.frame(frames.PING, 0, 0, _LAST_CALL))
            self.flush_soon()
            self._loop.call_later(_LAST_CALL_BUDGET, self._leave)

    def cut(self) -> None:
        """Cut the connection after the answers given before; those of other streams are lost."""
        self._flush()
        self.streams.clear()
        super().cut()

    def shut(self) -> None:
        """Cut the connection now."""
        super().shut()
        self.streams.clear()
        self.out.clear()

    def data_received(self, data: bytes) -> None:
        """Take a chunk: all its frames, then one write."""
        self._reading = True
        try:
            self._reader.feed(data)
        except BrokenProtocolError as wrong:
            self.out.append(frames.goaway(self._last, wrong.code, str(wrong)))
            self._flush()
            self._over = True
            self.streams.clear()
            self._transport.close()
        finally:
            self._reading = False
        self._flush()

    def flush_soon(self) -> None:
        """Write what is held, once for all that is answered in this turn of the loop."""
        if not self._due and not self._reading:
            self._due = True
            self._loop.call_soon(self._flush)

    def close_stream(self, stream: Stream, code: Code) -> None:
        """Break a stream off."""
        self.streams.pop(stream.id, None)
        self._break_off(stream.id, code, ended=stream.ended)
        self.flush_soon()

    def answer_headers(self, number: int, block: bytes, *, flags: int = 0) -> None:
        """Hold the header block of a stream's answer for the next write."""
        if self.short < 0:
            self.short, block = frames.SMALLEST_FRAME_SIZE, _NO_TABLE + block
        self.out += frames.header_frames(number, block, most=self.most, flags=flags)

    def hold(self, part: bytes) -> None:
        """Hold a frame of a long answer for the next write."""
        self.out.append(part)
        self._held += len(part)
        if self._held >= _WRITE:
            self._flush()

    @property
    def paused(self) -> bool:
        """Whether the socket is full."""
        return self._paused

    def _flush(self) -> None:
        self._due = False
        self._held = 0
        if self.out and not self._over:
            held, self.out = self.out, []
            self._transport.write(b"".join(held))
        if self._leaving and not self.streams and not self._over:
            self._over = True
            self._loop.call_later(_LINGER, self._transport.close)

    def _leave(self) -> None:
        """Name the newest stream that is answered; the connection closes after the last answer."""
        if self._leaving or self._over:
            return
        self._leaving = True
        self.out.append(frames.goaway(self._last, Code.NO_ERROR))
        self.flush_soon()

    def _break_off(self, number: int, code: Code, *, ended: bool) -> None:
        self.out.append(frames.reset(number, code))
        if not ended:
            self._reset.add(number)

    def _send_on(self) -> None:
        for stream in [stream for stream in self.streams.values() if stream.answered]:
            stream.push()
        self.flush_soon()

    def request(self, number: int, ended: int, block: bytes) -> None:
        """Open a stream, or take its trailers."""
        if number <= self._last or not number & 1:
            self._trailers(number, ended, block)
            return
        surplus = len(self.streams) >= MAX_CONCURRENT_STREAMS
        if surplus and self._connections.goaway_on_surplus:
            raise BrokenProtocolError(Code.PROTOCOL_ERROR, _SURPLUS)
        try:
            routed = self._heads.known.get(block) or self._heads.read(block)
        except BlockError as wrong:
            raise BrokenProtocolError(Code.COMPRESSION_ERROR, str(wrong)) from wrong
        except HeadError:
            routed = None
        if self._leaving:
            # Above what GOAWAY named: never handled, and its client knows.
            return
        self._last = number
        if routed is None or surplus:
            self._break_off(number, Code.REFUSED_STREAM if surplus else Code.PROTOCOL_ERROR, ended=bool(ended))
            return
        stream = self.streams[number] = Stream(self, number, routed, self._initial_window)
        if ended:
            stream.whole(b"")

    def _trailers(self, number: int, ended: int, block: bytes) -> None:
        sound = True
        try:
            self._heads.skip(block)
        except BlockError as wrong:
            raise BrokenProtocolError(Code.COMPRESSION_ERROR, str(wrong)) from wrong
        except HeadError:
            sound = False
        stream = self.streams.get(number)
        if stream is None:
            self._check_late(number, Code.PROTOCOL_ERROR)
        elif stream.ended:
            self.close_stream(stream, Code.STREAM_CLOSED)
        elif not ended or not sound:
            stream.ended = bool(ended)
            self.close_stream(stream, Code.PROTOCOL_ERROR)
        else:
            stream.data(b"", 0, ended)

    def data(self, number: int, flags: int, payload: bytes) -> None:
        """Take a DATA frame."""
        size = len(payload)
        self._received += size
        if self._received >= _CONNECTION_WINDOW // 2:
            self.out.append(frames.window_update(0, self._received))
            self._received = 0
        if flags & frames.PADDED:
            payload = frames.bare(payload, frames.PADDED)
        stream = self.streams.get(number)
        if stream is None:
            self._check_late(number, Code.STREAM_CLOSED)
        else:
            stream.data(payload, size, flags & frames.END_STREAM)

    def _check_late(self, number: int, code: Code) -> None:
        """Let pass a request's parts that were on their way when we reset its stream; all others have no stream."""
        self._check_known(number)
        if number <= self._last and number not in self._reset:
            raise BrokenProtocolError(code, f"stream {number} is closed")

    def _check_known(self, number: int) -> None:
        """Let pass what may come for a stream that is over; no stream that was never opened is spoken of."""
        if number > self._last and self._leaving:
            return
        if number > self._last or not number & 1:
            raise BrokenProtocolError(Code.PROTOCOL_ERROR, f"stream {number} was never opened")

    def other(self, kind: int, number: int, flags: int, payload: bytes) -> None:
        """Take a frame that is rare."""
        frames.check_rare(kind, number, flags, len(payload))
        if kind == frames.WINDOW_UPDATE:
            self._window_update(number, frames.number(payload))
        elif kind == frames.RST_STREAM:
            self._check_known(number)
            self.streams.pop(number, None)
        elif kind == frames.SETTINGS and not flags & frames.ACK:
            self._settings(payload)
        elif kind == frames.PING and not flags & frames.ACK:
            self.out.append(frames.frame(frames.PING, frames.ACK, 0, payload))
        elif kind == frames.PING and self._announced and payload == _LAST_CALL:
            self._leave()
        elif kind == frames.PRIORITY and len(payload) != frames.PRIORITY_SIZE:
            # The one frame whose broken length is its stream's matter only.
            self.streams.pop(number, None)
            self._break_off(number, Code.FRAME_SIZE_ERROR, ended=False)
        # GOAWAY (the client closes by itself) and what later standards add: nothing to do.

    def _window_update(self, number: int, increment: int) -> None:
        stream = self.streams.get(number) if number else None
        if number and stream is None:
            self._check_known(number)
            return
        window = (stream.window if stream else self.room) + increment
        problem = None
        if not increment:
            problem = Code.PROTOCOL_ERROR
        elif window > frames.LARGEST_WINDOW:
            problem = Code.FLOW_CONTROL_ERROR
        if stream is None:
            if problem:
                raise BrokenProtocolError(problem, f"a window raised by {increment}")
            self.room = window
            self._send_on()
        elif problem:
            self.close_stream(stream, problem)
        else:
            stream.window = window
            stream.push()

    def _settings(self, payload: bytes) -> None:
        values = frames.read_settings(payload)
        if values.get(frames.HEADER_TABLE_SIZE, frames.DEFAULT_TABLE) < frames.DEFAULT_TABLE and not self._table_told:
            self._table_told = True
            self.short = -1
        self.most = values.get(frames.MAX_FRAME_SIZE, self.most)
        before, self._initial_window = (
            self._initial_window,
            values.get(frames.INITIAL_WINDOW_SIZE, self._initial_window),
        )
        for stream in self.streams.values():
            stream.window += self._initial_window - before
            if stream.window > frames.LARGEST_WINDOW:
                raise BrokenProtocolError(Code.FLOW_CONTROL_ERROR, "a window is too large")
        self.out.append(frames.frame(frames.SETTINGS, frames.ACK, 0))
        self._send_on()
