"""HTTP/2 frames (RFC 9113): their numbers, and bytes from values."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# Length and type in one number, flags, stream.
HEADER = Struct(">IBI")
SETTING = Struct(">HI")
NUMBER = Struct(">I")

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
HAS_PRIORITY = 0x20

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 1, 2, 3, 4, 5

DEFAULT_TABLE = 4_096
DEFAULT_WINDOW = 65_535
LARGEST_WINDOW = 2**31 - 1
SMALLEST_FRAME_SIZE = 16_384
LARGEST_FRAME_SIZE = 2**24 - 1
PING_SIZE = 8
PRIORITY_SIZE = 5
# Of GOAWAY, before its words.
SMALLEST_GOAWAY = 8


class Code(IntEnum):
    """Why a stream or a connection ends."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    COMPRESSION_ERROR = 0x9
    ENHANCE_YOUR_CALM = 0xB


class BrokenProtocolError(Exception):
    """Raised when the peer broke the protocol; the connection ends with this code."""

    def __init__(self, code: Code, problem: str) -> None:
        super().__init__(problem)
        self.code = code


def frame(kind: int, flags: int, stream: int, payload: bytes | memoryview = b"") -> bytes:
    """Build a frame."""
    return HEADER.pack(len(payload) << 8 | kind, flags, stream) + payload


def settings(values: dict[int, int]) -> bytes:
    """Build a SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(SETTING.pack(*pair) for pair in values.items()))


def reset(stream: int, code: Code) -> bytes:
    """Build a RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream, NUMBER.pack(code))


def window_update(stream: int, increment: int) -> bytes:
    """Build a WINDOW_UPDATE frame."""
    return frame(WINDOW_UPDATE, 0, stream, NUMBER.pack(increment))


def goaway(last: int, code: Code, problem: str = "") -> bytes:
    """Build a GOAWAY frame; `last` is the newest stream that was or will be handled."""
    return frame(GOAWAY, 0, 0, NUMBER.pack(last) + NUMBER.pack(code) + problem.encode())


def header_frames(stream: int, block: bytes, *, most: int, flags: int = 0) -> Iterator[bytes]:
    """Build HEADERS and, where the block is longer than a frame may be, CONTINUATION."""
    kind = HEADERS
    while len(block) > most:
        yield frame(kind, flags, stream, block[:most])
        kind, flags, block = CONTINUATION, 0, block[most:]
    yield frame(kind, flags | END_HEADERS, stream, block)


def bare(payload: bytes, flags: int) -> bytes:
    """Return what a DATA or HEADERS frame holds besides padding and priority."""
    start, end = 0, len(payload)
    if flags & PADDED:
        if not payload:
            raise BrokenProtocolError(Code.FRAME_SIZE_ERROR, "PADDED without a length")
        start, end = 1, end - payload[0]
    if flags & HAS_PRIORITY:
        start += 5
    if start > end:
        raise BrokenProtocolError(Code.PROTOCOL_ERROR, "more padding than payload")
    return payload[start:end]


_OF_THE_CONNECTION = frozenset({SETTINGS, PING, GOAWAY})
_OF_A_STREAM = frozenset({PRIORITY, RST_STREAM})
_SIZES = {RST_STREAM: NUMBER.size, WINDOW_UPDATE: NUMBER.size, PING: PING_SIZE}


def check_rare(kind: int, stream: int, flags: int, size: int) -> None:
    """Check where a frame other than DATA and HEADERS belongs, and its length where it has but one."""
    if (kind in _OF_THE_CONNECTION and stream) or (kind in _OF_A_STREAM and not stream):
        raise BrokenProtocolError(Code.PROTOCOL_ERROR, f"a frame of type {kind} on stream {stream}")
    if kind == PUSH_PROMISE:
        raise BrokenProtocolError(Code.PROTOCOL_ERROR, "a client promised a push")
    if (
        size != _SIZES.get(kind, size)
        or (kind == SETTINGS and flags & ACK and size)
        or (kind == GOAWAY and size < SMALLEST_GOAWAY)
    ):
        raise BrokenProtocolError(Code.FRAME_SIZE_ERROR, f"a frame of type {kind} with {size} bytes")


def read_settings(payload: bytes) -> dict[int, int]:
    """Read and check a SETTINGS frame's values; the last of each counts, of the table's sizes the smallest."""
    if len(payload) % SETTING.size:
        raise BrokenProtocolError(Code.FRAME_SIZE_ERROR, "SETTINGS of a broken length")
    values: dict[int, int] = {}
    for name, value in SETTING.iter_unpack(payload):
        values[name] = min(value, values.get(name, value)) if name == HEADER_TABLE_SIZE else value
    if values.get(ENABLE_PUSH, 0) > 1:
        raise BrokenProtocolError(Code.PROTOCOL_ERROR, "ENABLE_PUSH is 0 or 1")
    if values.get(INITIAL_WINDOW_SIZE, 0) > LARGEST_WINDOW:
        raise BrokenProtocolError(Code.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE is too large")
    if not SMALLEST_FRAME_SIZE <= values.get(MAX_FRAME_SIZE, SMALLEST_FRAME_SIZE) <= LARGEST_FRAME_SIZE:
        raise BrokenProtocolError(Code.PROTOCOL_ERROR, "MAX_FRAME_SIZE is out of bounds")
    return values


def number(payload: bytes) -> int:
    """Read a frame that is one number: RST_STREAM, WINDOW_UPDATE."""
    if len(payload) != NUMBER.size:
        raise BrokenProtocolError(Code.FRAME_SIZE_ERROR, "a number of a broken length")
    value: int = NUMBER.unpack(payload)[0]
    return value & LARGEST_WINDOW
