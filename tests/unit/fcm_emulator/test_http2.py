"""The HTTP/2 connection against hyper-h2's client, in chunks of any size, and against clients that break the rules."""

import asyncio

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hypothesis import given
from hypothesis import strategies as st

from services.fcm_emulator import frames
from services.fcm_emulator.answers import Reply
from services.fcm_emulator.http2 import MAX_CONCURRENT_STREAMS
from services.fcm_emulator.streams import WINDOW
from tests.support.eventually import eventually
from tests.unit.fcm_emulator.wire import Wire, ends

CHUNKS = st.lists(st.integers(1, 40_000), min_size=1, max_size=5)
BODIES = st.lists(st.tuples(st.binary(max_size=3_000), st.none() | st.integers(0, 255)), min_size=1, max_size=30)
HELLO = frames.PREFACE + frames.settings({})


@given(chunks=CHUNKS, bodies=BODIES, path=st.sampled_from(["/accept", "/echo", "/stream"]))
async def test_every_request_gets_its_own_answer_however_the_bytes_are_cut(
    chunks: list[int], bodies: list[tuple[bytes, int | None]], path: str
) -> None:
    """Padded or not, whole or in pieces."""
    wire = Wire(chunks)
    sent = {wire.send(path, body, padding): body for body, padding in bodies}
    await wire.exchange()
    assert wire.app.bodies == list(sent.values())
    assert {stream: wire.bodies[stream] for stream in sent} == sent
    assert wire.ended == set(sent)
    assert set(wire.statuses.values()) == {404 if path == "/echo" else 200}
    assert {head.authorization for head in wire.app.heads} == {"Bearer x"}
    assert not wire.server.busy


async def test_requests_that_come_together_are_answered_by_one_write() -> None:
    """At once, and those that are answered later in one turn of the loop as well."""
    wire = Wire()
    await wire.exchange()
    before = wire.transport.writes
    for _ in range(50):
        wire.send("/accept", b"x" * 100)
        wire.send("/keep")
    wire.to_server()
    assert wire.transport.writes == before + 1
    for exchange in wire.app.kept:
        exchange.accept(b"later")
    await asyncio.sleep(0)
    assert wire.transport.writes == before + 2
    await wire.exchange()
    assert len(wire.ended) == 100


@given(chunks=CHUNKS, window=st.integers(20, 2_000), size=st.integers(0, 10_000))
async def test_a_large_answer_waits_for_the_clients_windows(chunks: list[int], window: int, size: int) -> None:
    """As small as they are, and though they change while it waits."""
    wire = Wire(chunks)
    wire.client.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: window})
    await wire.exchange()
    body = bytes(index % 251 for index in range(size))
    streams = [wire.send(path, body) for path in ("/stream", "/echo", "/accept")]
    await wire.exchange()
    wire.client.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 3 * window})
    await wire.exchange()
    assert [wire.bodies[stream] for stream in streams] == [body] * 3
    assert wire.ended == set(streams)


async def test_a_full_socket_holds_a_long_answer_back() -> None:
    """It goes on when there is room."""
    wire = Wire()
    wire.client.increment_flow_control_window(1 << 20)
    wire.client.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20})
    await wire.exchange()
    wire.server.pause_writing()
    stream = wire.send("/stream", b"x" * 40_000)
    await wire.exchange()
    assert wire.bodies[stream] == b""
    wire.server.resume_writing()
    await wire.exchange()
    assert wire.bodies[stream] == b"x" * 40_000


@pytest.mark.parametrize("chunks", [[1 << 20], [399], [16_393, 1, 8]])
async def test_a_header_block_may_come_in_several_frames(chunks: list[int]) -> None:
    """HEADERS and CONTINUATION."""
    wire = Wire(chunks)
    path = "/" + "long" * 10_000
    wire.open(path, end=True)
    second = wire.send("/accept", b"next")
    await wire.exchange()
    assert [head.path for head in wire.app.heads] == [path, "/accept"]
    assert wire.bodies[second] == b"next"


async def test_trailers_end_a_request() -> None:
    """What they say is not asked for."""
    wire = Wire()
    stream = wire.open("/accept")
    wire.client.send_data(stream, b"body")
    wire.client.send_headers(stream, [("checksum", "1")], end_stream=True)
    await wire.exchange()
    assert wire.bodies[stream] == b"body"


async def test_a_request_taken_back_before_it_was_whole_was_not_sent() -> None:
    """Neither by a reset nor by the end of the connection."""
    wire = Wire()
    stream = wire.open("/accept")
    wire.client.send_data(stream, b"half")
    wire.client.reset_stream(stream)
    wire.client.send_data(wire.open("/accept"), b"half")
    await wire.exchange()
    wire.server.connection_lost(None)
    assert wire.app.bodies == []
    assert not wire.connections


async def test_an_answer_for_a_client_that_left_goes_nowhere() -> None:
    """Its neighbours are answered."""
    wire = Wire()
    gone, stays = wire.send("/keep"), wire.send("/keep")
    await wire.exchange()
    wire.client.reset_stream(gone)
    await wire.exchange()
    for exchange in wire.app.kept:
        exchange.accept(b"x")
        exchange.answer(Reply(500, [], b"never twice"))
    await wire.exchange()
    assert wire.ended == {stays}
    wire.server.connection_lost(None)
    wire.app.kept[0].accept(b"x")
    wire.app.kept[0].cut()


async def test_a_stream_above_the_limit_is_refused_and_known_not_to_be_sent() -> None:
    """The others go on, and there is room again when they are answered."""
    wire = Wire()
    streams = [wire.send("/keep") for _ in range(MAX_CONCURRENT_STREAMS + 1)]
    await wire.exchange()
    assert wire.resets == {streams[-1]: ErrorCodes.REFUSED_STREAM}
    assert len(wire.app.kept) == MAX_CONCURRENT_STREAMS
    wire.app.kept[0].accept(b"x")
    await wire.exchange()
    wire.send("/keep")
    await wire.exchange()
    assert len(wire.app.kept) == MAX_CONCURRENT_STREAMS + 1


async def test_a_body_of_another_length_than_announced_is_not_handled() -> None:
    """As with a body without end."""
    wire = Wire()
    await wire.exchange()
    block = wire.client.encoder.encode(
        [(":method", "POST"), (":scheme", "https"), (":path", "/accept"), ("content-length", "3")]
    )
    wire.server.data_received(
        frames.frame(frames.HEADERS, frames.END_HEADERS, 1, block)
        + frames.frame(frames.DATA, frames.END_STREAM, 1, b"four")
    )
    assert frames.reset(1, frames.Code.PROTOCOL_ERROR) in wire.transport.take()
    assert wire.app.bodies == []


async def test_a_body_above_the_limit_ends_its_stream_only() -> None:
    """It is never held whole."""
    wire = Wire()
    await wire.exchange()
    endless = wire.open("/accept")
    for _ in range(WINDOW // frames.SMALLEST_FRAME_SIZE):
        wire.client.send_data(endless, b"x" * frames.SMALLEST_FRAME_SIZE)
    await wire.exchange()
    assert wire.resets == {endless: ErrorCodes.ENHANCE_YOUR_CALM}
    stream = wire.send("/accept", b"x")
    await wire.exchange()
    assert wire.ended == {stream}
    assert len(wire.app.bodies) == 1


async def test_goaway_lets_come_what_is_on_its_way_and_then_closes() -> None:
    """No request is lost: the first names no stream, the second the last that is answered."""
    wire = Wire()
    first = wire.send("/keep")
    await wire.exchange()
    wire.server.goaway()
    crossing = wire.send("/keep")
    wire.to_server()
    await asyncio.sleep(0)
    # hyper-h2's client takes no frame after a GOAWAY, so the rest is read by hand.
    told = wire.transport.take()
    assert told == frames.goaway(2**31 - 1, frames.Code.NO_ERROR) + frames.frame(frames.PING, 0, 0, b"lastcall")
    wire.server.data_received(frames.frame(frames.PING, frames.ACK, 0, b"lastcall"))
    assert wire.transport.take() == frames.goaway(crossing, frames.Code.NO_ERROR)
    late = wire.send("/keep")
    wire.to_server()
    assert len(wire.app.kept) == 2
    assert wire.server.busy
    assert not wire.transport.closed
    for exchange in wire.app.kept:
        exchange.accept(b"x")
    await eventually(lambda: wire.transport.closed)
    assert wire.transport.take().count(b"x") >= 2
    assert first < crossing < late


async def test_a_ping_is_answered_and_what_is_unknown_passes() -> None:
    """PRIORITY, GOAWAY of the client, and frames of later standards."""
    wire = Wire()
    wire.client.ping(b"12345678")
    await wire.exchange()
    strange = [frames.frame(kind, 0, 1, b"12345") for kind in (frames.PRIORITY, 0x10, 0xFF)]
    wire.server.data_received(b"".join(strange) + frames.goaway(0, frames.Code.NO_ERROR))
    stream = wire.send("/accept", b"x")
    await wire.exchange()
    assert wire.bodies[stream] == b"x"


def _headers(block: bytes, *, stream: int = 1, flags: int = frames.END_HEADERS) -> bytes:
    return frames.frame(frames.HEADERS, flags, stream, block)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", ErrorCodes.PROTOCOL_ERROR),
        (frames.PREFACE + frames.frame(frames.PING, 0, 0, bytes(8)), ErrorCodes.PROTOCOL_ERROR),
        (HELLO + frames.frame(frames.DATA, 0, 1, bytes(16_385)), ErrorCodes.FRAME_SIZE_ERROR),
        (HELLO + frames.frame(frames.DATA, 0, 1, b"x"), ErrorCodes.PROTOCOL_ERROR),
        (HELLO + frames.reset(1, frames.Code.NO_ERROR), ErrorCodes.PROTOCOL_ERROR),
        (HELLO + frames.frame(frames.PING, 0, 0, b"short"), ErrorCodes.FRAME_SIZE_ERROR),
        (HELLO + frames.frame(frames.WINDOW_UPDATE, 0, 0, b"12"), ErrorCodes.FRAME_SIZE_ERROR),
        (HELLO + frames.window_update(0, 0), ErrorCodes.PROTOCOL_ERROR),
        (HELLO + frames.window_update(0, 2**31 - 1), ErrorCodes.FLOW_CONTROL_ERROR),
        (HELLO + frames.settings({frames.ENABLE_PUSH: 2}), ErrorCodes.PROTOCOL_ERROR),
        (HELLO + frames.settings({frames.MAX_FRAME_SIZE: 1}), ErrorCodes.PROTOCOL_ERROR),
        (HELLO + frames.settings({frames.INITIAL_WINDOW_SIZE: 2**31}), ErrorCodes.FLOW_CONTROL_ERROR),
        (HELLO + frames.frame(frames.SETTINGS, 0, 1), ErrorCodes.PROTOCOL_ERROR),
        (HELLO + frames.frame(frames.SETTINGS, 0, 0, b"x"), ErrorCodes.FRAME_SIZE_ERROR),
        (HELLO + frames.frame(frames.PUSH_PROMISE, 0, 1), ErrorCodes.PROTOCOL_ERROR),
        (HELLO + frames.frame(frames.CONTINUATION, 0, 1), ErrorCodes.PROTOCOL_ERROR),
        (HELLO + _headers(b"", flags=0) + frames.frame(frames.PING, 0, 0, bytes(8)), ErrorCodes.PROTOCOL_ERROR),
        (HELLO + _headers(b"", flags=0) + 5 * frames.frame(frames.CONTINUATION, 0, 1, bytes(16_384)),
         ErrorCodes.ENHANCE_YOUR_CALM),
        (HELLO + _headers(b"\xff\xff\xff\xff"), ErrorCodes.COMPRESSION_ERROR),
        (HELLO + _headers(b"\x84", stream=2), ErrorCodes.PROTOCOL_ERROR),
        (HELLO + _headers(b"\x09", flags=frames.PADDED | frames.END_HEADERS), ErrorCodes.PROTOCOL_ERROR),
        (HELLO + _headers(b"", flags=frames.PADDED | frames.END_HEADERS), ErrorCodes.FRAME_SIZE_ERROR),
    ],
)  # fmt: skip
async def test_a_client_that_breaks_the_protocol_is_told_why_and_closed(data: bytes, code: ErrorCodes) -> None:
    """One GOAWAY with the code that RFC 9113 names; what comes after is not read."""
    wire = Wire()
    wire.server.data_received(data)
    assert ends(wire.transport.take()) == code
    assert wire.transport.closed
    wire.server.data_received(HELLO)
    assert wire.transport.take() == b""


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (_headers(b"\x83"), ErrorCodes.PROTOCOL_ERROR),
        (_headers(b"\x83\x84\x87") + frames.window_update(1, 0), ErrorCodes.PROTOCOL_ERROR),
        (_headers(b"\x83\x84\x87") + frames.window_update(1, 2**31 - 1), ErrorCodes.FLOW_CONTROL_ERROR),
        (_headers(b"\x83\x84\x87") + _headers(b"\x83"), ErrorCodes.PROTOCOL_ERROR),
        (_headers(b"\x83\x87\x04\x05/keep", flags=5) + frames.frame(frames.DATA, 0, 1, b"x"), ErrorCodes.STREAM_CLOSED),
        (_headers(b"\x83\x87\x04\x05/keep", flags=5) + _headers(b"\x83", flags=5), ErrorCodes.STREAM_CLOSED),
    ],
)
async def test_a_stream_that_breaks_the_protocol_ends_alone(data: bytes, code: ErrorCodes) -> None:
    """Its neighbours do not notice."""
    wire = Wire()
    wire.server.data_received(HELLO + data)
    assert frames.reset(1, frames.Code(code)) in wire.transport.take()
    assert not wire.transport.closed
    wire.server.data_received(_headers(b"\x83\x84\x87", stream=3, flags=5))
    assert len(wire.app.bodies) in {1, 2}
    assert not wire.transport.closed
