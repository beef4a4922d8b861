"""Frames out of chunks: whole, in the order that RFC 9113 asks for, header blocks put together."""

from __future__ import annotations

from typing import Protocol

from services.fcm_emulator import frames
from services.fcm_emulator.frames import BrokenProtocolError, Code

_LARGEST_BLOCK = 1 << 16
_UNUSUAL = frames.PADDED | frames.HAS_PRIORITY
_HEADER = frames.HEADER.size
_unpack = frames.HEADER.unpack_from


class Sink(Protocol):
    """Where frames go."""

    @property
    def over(self) -> bool:
        """Whether nothing more is read."""

    def request(self, number: int, ended: int, block: bytes) -> None:
        """Take a stream's header block, or its trailers."""

    def data(self, number: int, flags: int, payload: bytes) -> None:
        """Take a DATA frame."""

    def other(self, kind: int, number: int, flags: int, payload: bytes) -> None:
        """Take any other frame."""


class FrameReader:
    """Reads what one client sends."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._rest = b""
        self._begun = False
        self._settled = False
        # A header block that goes on in the next frame: stream, END_STREAM, what there is of it.
        self._unfinished: tuple[int, int, bytearray] | None = None

    def feed(self, data: bytes) -> None:
        """Hand on all whole frames of a chunk; BrokenProtocolError when the client breaks the rules."""
        self._rest = self._take(self._rest + data if self._rest else data)

    def _take(self, data: bytes) -> bytes:
        """Take all whole frames; return what is left."""
        sink, at, end = self._sink, 0, len(data)
        if not self._begun:
            at = self._greet(data)
        while end - at >= _HEADER and self._begun and not sink.over:
            size_and_kind, flags, number = _unpack(data, at)
            start, size, kind = at + _HEADER, size_and_kind >> 8, size_and_kind & 0xFF
            if size > frames.SMALLEST_FRAME_SIZE:
                raise BrokenProtocolError(Code.FRAME_SIZE_ERROR, "a frame is longer than our settings allow")
            if start + size > end:
                break
            at = start + size
            number &= frames.LARGEST_WINDOW
            if self._unfinished is not None or not self._settled:
                self._check_order(kind, number)
            if kind == frames.DATA:
                sink.data(number, flags, data[start:at])
            elif kind == frames.HEADERS:
                self._headers(number, flags, data[start:at])
            elif kind == frames.CONTINUATION:
                self._continuation(flags, data[start:at])
            else:
                sink.other(kind, number, flags, data[start:at])
        return b"" if sink.over else data[at:]

    def _greet(self, data: bytes) -> int:
        """Find the preface; return where the first frame begins."""
        if not frames.PREFACE.startswith(data[: len(frames.PREFACE)]):
            raise BrokenProtocolError(Code.PROTOCOL_ERROR, "no HTTP/2 preface")
        if len(data) < len(frames.PREFACE):
            return 0
        self._begun = True
        return len(frames.PREFACE)

    def _check_order(self, kind: int, number: int) -> None:
        """Check what must come next: SETTINGS first, and a header block without a break."""
        if not self._settled:
            if kind != frames.SETTINGS:
                raise BrokenProtocolError(Code.PROTOCOL_ERROR, "SETTINGS come first")
            self._settled = True
        if self._unfinished is not None and (kind, number) != (frames.CONTINUATION, self._unfinished[0]):
            raise BrokenProtocolError(Code.PROTOCOL_ERROR, "a header block is not finished")

    def _headers(self, number: int, flags: int, payload: bytes) -> None:
        block = frames.bare(payload, flags) if flags & _UNUSUAL else payload
        if flags & frames.END_HEADERS:
            self._sink.request(number, flags & frames.END_STREAM, block)
        else:
            self._unfinished = number, flags & frames.END_STREAM, bytearray(block)

    def _continuation(self, flags: int, payload: bytes) -> None:
        if self._unfinished is None:
            raise BrokenProtocolError(Code.PROTOCOL_ERROR, "nothing to continue")
        number, ended, block = self._unfinished
        block += payload
        if len(block) > _LARGEST_BLOCK:
            raise BrokenProtocolError(Code.ENHANCE_YOUR_CALM, "a header block without end")
        if flags & frames.END_HEADERS:
            self._unfinished = None
            self._sink.request(number, ended, bytes(block))
