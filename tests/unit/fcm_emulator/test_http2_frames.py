"""Frames in every order and form that RFC 9113 allows, those that it does not, and what the server may send."""

from collections.abc import Callable, Sequence

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from services.fcm_emulator import frames, http2
from services.fcm_emulator.streams import LARGEST_BODY
from tests.support.eventually import eventually
from tests.unit.fcm_emulator.test_http2_requests import AUTHORITY, REQUEST, SCHEME
from tests.unit.fcm_emulator.wire import Field, Raw, data

Said = Sequence[Frame | bytes]
FRAME = frames.SMALLEST_FRAME_SIZE


def _in_pieces(raw: Raw) -> Said:
    """HEADERS with nothing in it, then a byte at a time, then an end with nothing in it."""
    block = raw.encoder.encode(list(REQUEST))
    first = raw.headers(1, more=True)
    first.data = b""
    last = ContinuationFrame(1)
    last.flags |= {"END_HEADERS"}
    return [first, *(ContinuationFrame(1, data=bytes((byte,))) for byte in block), last]


def _with_priority(raw: Raw) -> Said:
    head = raw.headers(5, *REQUEST, end=False)
    head.flags |= {"PRIORITY", "PADDED"}
    head.depends_on, head.stream_weight, head.exclusive, head.pad_length = 3, 200, True, 9
    return [PriorityFrame(3, depends_on=0), head, PriorityFrame(5, depends_on=3), data(5)]


def _table_emptied_and_filled(raw: Raw) -> Said:
    raw.encoder.header_table_size = 0
    raw.encoder.header_table_size = 300
    return [raw.headers(1, *REQUEST), raw.headers(3, *REQUEST)]


ALLOWED: dict[str, Callable[[Raw], Said]] = {
    "a body in frames without content": lambda raw: [
        raw.headers(1, *REQUEST, end=False), *[data(1, end=False)] * 3, data(1, b"x", end=False), data(1)],
    "padding and nothing else": lambda raw: [
        raw.headers(1, *REQUEST, end=False), data(1, padding=0, end=False), data(1, padding=255)],
    "trailers": lambda raw: [raw.headers(1, *REQUEST, end=False), raw.headers(1, ("checksum", "1"))],
    "a header block in pieces": _in_pieces,
    "priorities": _with_priority,
    "a table emptied and filled": _table_emptied_and_filled,
    "numbers left out": lambda raw: [raw.headers(number, *REQUEST) for number in (5, 101, 2**31 - 1)],
    "settings nobody knows": lambda raw: [
        SettingsFrame(0, settings={0x9A9A: 1, 0xF000: 2**32 - 1}), raw.headers(1, *REQUEST)],
    "settings, twice the same": lambda raw: [
        frames.frame(frames.SETTINGS, 0, 0, frames.SETTING.pack(4, 1) + frames.SETTING.pack(4, 70_000)),
        raw.headers(1, *REQUEST)],
    "frames and flags nobody knows": lambda raw: [
        frames.frame(0xBA, 0xFF, 0, b"x" * 99), frames.frame(0x10, 0, 0, bytes(4) + b"u=1"),
        frames.frame(frames.PING, 0xFE, 0, bytes(8)), raw.headers(1, *REQUEST)],
    "the reserved bit": lambda raw: [
        frames.frame(frames.HEADERS, 5, 1 << 31 | 1, raw.encoder.encode(list(REQUEST)))],
    "late words on a stream that is over": lambda raw: [
        raw.headers(1, *REQUEST), WindowUpdateFrame(1, window_increment=9), PriorityFrame(1, depends_on=0),
        RstStreamFrame(1, error_code=ErrorCodes.CANCEL), raw.headers(3, *REQUEST)],
    "a goodbye, and a last request": lambda raw: [GoAwayFrame(0), raw.headers(1, *REQUEST)],
    "settings confirmed": lambda raw: [frames.frame(frames.SETTINGS, frames.ACK, 0), raw.headers(1, *REQUEST)],
}  # fmt: skip


@pytest.mark.parametrize("said", ALLOWED.values(), ids=ALLOWED)
@pytest.mark.parametrize("size", [1 << 20, 1])
async def test_what_is_allowed_is_answered(said: Callable[[Raw], Said], size: int) -> None:
    """Every stream by 200, in one chunk or byte by byte."""
    raw = Raw()
    frames_said = said(raw)
    whole = b"".join(each if isinstance(each, bytes) else each.serialize() for each in frames_said)
    for at in range(0, len(whole), size):
        raw.say(whole[at : at + size])
    assert raw.ended() is None
    assert len(raw.app.bodies) == len(raw.answers) > 0
    assert {raw.status(stream) for stream in raw.answers} == {"200"}


FORBIDDEN: dict[str, tuple[Callable[[Raw], Said], ErrorCodes]] = {
    "a number below the last": (
        lambda raw: [raw.headers(5, *REQUEST), raw.headers(3, *REQUEST)], ErrorCodes.PROTOCOL_ERROR),
    "a number used again": (
        lambda raw: [raw.headers(1, *REQUEST), raw.headers(1, *REQUEST)], ErrorCodes.PROTOCOL_ERROR),
    "data after the end": (lambda raw: [raw.headers(1, *REQUEST), data(1, b"x")], ErrorCodes.STREAM_CLOSED),
    "data after one's own reset": (
        lambda raw: [raw.headers(1, *REQUEST, end=False), RstStreamFrame(1), data(1, b"x")], ErrorCodes.STREAM_CLOSED),
    "a request on stream 0": (lambda _: [frames.frame(1, 5, 0, b"\x83\x84\x87")], ErrorCodes.PROTOCOL_ERROR),
    "data on stream 0": (lambda _: [frames.frame(0, 1, 0, b"x")], ErrorCodes.PROTOCOL_ERROR),
    "a reset of stream 0": (lambda _: [frames.frame(3, 0, 0, bytes(4))], ErrorCodes.PROTOCOL_ERROR),
    "a priority on stream 0": (lambda _: [frames.frame(2, 0, 0, bytes(5))], ErrorCodes.PROTOCOL_ERROR),
    "a ping on a stream": (lambda _: [frames.frame(6, 0, 1, bytes(8))], ErrorCodes.PROTOCOL_ERROR),
    "a goodbye on a stream": (lambda _: [frames.frame(7, 0, 1, bytes(8))], ErrorCodes.PROTOCOL_ERROR),
    "half a goodbye": (lambda _: [frames.frame(7, 0, 0, bytes(4))], ErrorCodes.FRAME_SIZE_ERROR),
    "a confirmation with settings": (lambda _: [frames.frame(4, 1, 0, bytes(6))], ErrorCodes.FRAME_SIZE_ERROR),
    "a window of a stream never opened": (lambda _: [WindowUpdateFrame(1, 1)], ErrorCodes.PROTOCOL_ERROR),
    "another stream's header block goes on": (
        lambda raw: [raw.headers(1, *REQUEST, more=True), ContinuationFrame(3)], ErrorCodes.PROTOCOL_ERROR),
    "a table larger than allowed": (
        lambda _: [frames.frame(1, 5, 1, b"\x3f\xe2\x1f\x83")], ErrorCodes.COMPRESSION_ERROR),
    "a table's size after a field": (lambda _: [frames.frame(1, 5, 1, b"\x83\x20")], ErrorCodes.COMPRESSION_ERROR),
    "an entry that is not there": (lambda _: [frames.frame(1, 5, 1, b"\xc6")], ErrorCodes.COMPRESSION_ERROR),
    "a text without end": (lambda _: [frames.frame(1, 5, 1, b"\x00\x05x")], ErrorCodes.COMPRESSION_ERROR),
}  # fmt: skip


@pytest.mark.parametrize(("said", "code"), FORBIDDEN.values(), ids=FORBIDDEN)
async def test_what_is_forbidden_ends_the_connection_by_its_code(said: Callable[[Raw], Said], code: ErrorCodes) -> None:
    """The code is the RFC's."""
    raw = Raw()
    raw.say(*said(raw))
    assert raw.ended() == code
    assert raw.transport.closed


async def test_a_priority_of_a_broken_length_ends_its_stream() -> None:
    """And no other."""
    raw = Raw()
    keep = (REQUEST[0], SCHEME, AUTHORITY, (":path", "/keep"))
    raw.say(raw.headers(1, *keep), raw.headers(3, *keep), frames.frame(frames.PRIORITY, 0, 1, b"1234"))
    assert (raw.reset(1), raw.reset(3), raw.ended()) == (ErrorCodes.FRAME_SIZE_ERROR, None, None)


def answer(raw: Raw, stream: int, *fields: Field) -> bytes:
    """Return the header block that a request is answered with."""
    (block, *_) = (frame.data for frame in raw.say(raw.headers(stream, *fields)) if isinstance(frame, HeadersFrame))
    return bytes(block)


@pytest.mark.parametrize("sizes", [[0], [64], [0, 4096], [4096, 0], [100, 50, 65_536]])
@pytest.mark.parametrize("path", ["/accept", "/echo", "/stream"])
async def test_a_client_may_make_the_table_of_answers_smaller(sizes: list[int], path: str) -> None:
    """The next header block begins by saying so, once, as RFC 7541, 4.2 asks; the ones before and after do not."""
    raw = Raw()
    request = (REQUEST[0], SCHEME, AUTHORITY, (":path", path))
    before = answer(raw, 1, *request)
    for size in sizes:
        raw.say(SettingsFrame(0, settings={SettingCodes.HEADER_TABLE_SIZE: size}))
    raw.decoder.max_allowed_table_size = min(sizes)
    assert answer(raw, 3, *request) == b"\x20" + before
    raw.decoder.max_allowed_table_size = sizes[-1]
    assert answer(raw, 5, *request) == before
    assert not raw.decoder.header_table.dynamic_entries


@pytest.mark.parametrize("size", [4096, 65_536])
async def test_a_larger_table_is_left_unused(size: int) -> None:
    """Nothing has to be said."""
    larger = Raw(settings={SettingCodes.HEADER_TABLE_SIZE: size})
    assert answer(larger, 1, *REQUEST) == answer(Raw(), 1, *REQUEST)


@pytest.mark.parametrize("padding", [None, 7])
@pytest.mark.parametrize("ending", ["with the last frame", "by an empty frame", "by trailers"])
async def test_a_body_of_the_largest_size_is_taken(padding: int | None, ending: str) -> None:
    """However it ends."""
    raw = Raw()
    raw.say(raw.headers(1, *REQUEST, ("content-length", str(LARGEST_BODY)), end=False))
    piece = 1 << 13
    for at in range(piece, LARGEST_BODY, piece):
        raw.say(data(1, b"x" * piece, end=False, padding=padding if at < 1 << 18 else None))
    raw.say(data(1, b"x" * piece, end=ending == "with the last frame"))
    if ending == "by an empty frame":
        raw.say(data(1))
    elif ending == "by trailers":
        raw.say(raw.headers(1, ("checksum", "1")))
    assert raw.reset(1) is None
    assert [len(body) for body in raw.app.bodies] == [LARGEST_BODY]


async def test_a_body_one_byte_larger_ends_its_stream() -> None:
    """It is never held whole."""
    raw = Raw()
    raw.say(raw.headers(1, *REQUEST, end=False))
    for _ in range(LARGEST_BODY // FRAME):
        raw.say(data(1, b"x" * FRAME, end=False))
    assert raw.reset(1) is None
    raw.say(data(1, b"x"))
    assert raw.reset(1) == ErrorCodes.ENHANCE_YOUR_CALM
    raw.say(data(1, b"still on its way", end=False), raw.headers(3, *REQUEST))
    assert (raw.status(3), raw.ended()) == ("200", None)


async def test_an_answer_that_breaks_off_is_data_and_a_reset() -> None:
    """Its client knows at once; the connection goes on."""
    raw = Raw()
    broken = raw.headers(1, REQUEST[0], SCHEME, AUTHORITY, (":path", "/broken"), end=False)
    _, body, end = raw.say(broken, data(1, b'{"name"'))
    assert isinstance(body, DataFrame)
    assert (body.data, "END_STREAM" in body.flags) == (b'{"name"', False)
    assert isinstance(end, RstStreamFrame)
    assert end.error_code == ErrorCodes.INTERNAL_ERROR
    assert int(raw.answers[1]["content-length"]) > len(body.data)
    raw.say(raw.headers(3, *REQUEST))
    assert raw.status(3) == "200"


async def test_a_client_that_does_not_answer_the_last_call_is_closed_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a while, by the GOAWAY that names its newest stream, which is still answered."""
    monkeypatch.setattr(http2, "_LAST_CALL_BUDGET", 0.02)
    idle, busy = Raw(), Raw()
    busy.say(busy.headers(1, REQUEST[0], SCHEME, AUTHORITY, (":path", "/keep")))
    for each in (idle, busy):
        each.server.goaway()
    await eventually(lambda: idle.transport.closed)
    idle.hear()
    assert [each.last_stream_id for each in idle.heard if isinstance(each, GoAwayFrame)] == [2**31 - 1, 0]
    assert [type(each) for each in idle.heard if isinstance(each, PingFrame)] == [PingFrame]
    assert busy.server.busy
    assert not busy.transport.closed
    busy.app.kept[0].accept(b"x")
    await eventually(lambda: busy.transport.closed)
    busy.hear()
    assert busy.status(1) == "200"


async def test_a_stream_too_many_ends_the_connection_where_the_script_says_so() -> None:
    """As a client of FCM's met it: PROTOCOL_ERROR with a word, and no answer for those in flight."""
    raw = Raw()
    raw.connections.goaway_on_surplus = True
    keep = (REQUEST[0], SCHEME, AUTHORITY, (":path", "/keep"))
    numbers = range(1, 2 * http2.MAX_CONCURRENT_STREAMS + 2, 2)
    raw.say(*(raw.headers(number, *keep) for number in numbers))
    (end,) = (each for each in raw.heard if isinstance(each, GoAwayFrame))
    assert (end.error_code, end.additional_data) == (ErrorCodes.PROTOCOL_ERROR, b"exceeded_max_concurrent_streams")
    assert end.last_stream_id == numbers[-2]
    assert len(raw.app.kept) == http2.MAX_CONCURRENT_STREAMS
    assert raw.transport.closed
