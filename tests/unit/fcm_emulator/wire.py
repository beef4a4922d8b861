"""Hyper-h2's client and the server without a socket between them, and the server's frames read by hyperframe."""

import asyncio
from collections import defaultdict
from itertools import cycle

import h2.events
from h2.config import H2Configuration
from h2.connection import H2Connection
from hpack import Decoder, Encoder
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, RstStreamFrame, SettingsFrame

from services.fcm_emulator import frames
from services.fcm_emulator.connections import Connections
from services.fcm_emulator.http2 import Http2
from tests.unit.fcm_emulator.transport import Application, Transport

Field = tuple[str | bytes, str | bytes]


class Wire:
    """A client and a server, and all that passed between them."""

    def __init__(self, chunks: list[int] | None = None) -> None:
        self.app = Application()
        self.connections = Connections()
        self.server = Http2(self.app.route, self.connections)
        self.transport = Transport()
        self.client = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self.statuses: dict[int, int] = {}
        self.bodies: defaultdict[int, bytes] = defaultdict(bytes)
        self.ended: set[int] = set()
        self.resets: dict[int, int] = {}
        self._chunks = cycle(chunks or [1 << 30])
        self.server.connection_made(self.transport)
        self.client.initiate_connection()

    def open(self, path: str, *, end: bool = False, length: int | None = None, **headers: str) -> int:
        """Begin a request."""
        stream = self.client.get_next_available_stream_id()
        fields = [(":method", "POST"), (":scheme", "https"), (":authority", "fcm"), (":path", path), *headers.items()]
        if length is not None:
            fields.append(("content-length", str(length)))
        self.client.send_headers(stream, fields, end_stream=end)
        return stream

    def send(self, path: str, body: bytes = b"", padding: int | None = None) -> int:
        """Send a request."""
        stream = self.open(path, length=len(body), authorization="Bearer x")
        most = 16_000
        for at in range(0, len(body) - most, most):
            self.client.send_data(stream, body[at : at + most])
        last = body[(max(len(body), 1) - 1) // most * most :]
        self.client.send_data(stream, last, end_stream=True, pad_length=padding)
        return stream

    def to_server(self) -> bool:
        """Carry what the client has to say, cut as told; False when it has nothing."""
        said = data = self.client.data_to_send()
        while data:
            size = next(self._chunks)
            self.server.data_received(data[:size])
            data = data[size:]
        return bool(said)

    async def exchange(self) -> None:
        """Carry bytes until nobody has more to say."""
        quiet = False
        while not quiet:
            quiet = not self.to_server()
            await asyncio.sleep(0)
            if answer := self.transport.take():
                self.hear(answer)
                quiet = False

    def hear(self, answer: bytes) -> None:
        """Let the client read."""
        for event in self.client.receive_data(answer):
            match event:
                case h2.events.ResponseReceived():
                    self.statuses[event.stream_id] = int(
                        next(value for name, value in event.headers if name == b":status")
                    )
                case h2.events.DataReceived():
                    self.bodies[event.stream_id] += event.data
                    self.client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                case h2.events.StreamEnded():
                    self.ended.add(event.stream_id)
                case h2.events.StreamReset():
                    self.resets[event.stream_id] = event.error_code


def ends(answer: bytes) -> int | None:
    """Return the code of the GOAWAY among an answer's frames."""
    at = 0
    while at < len(answer):
        size_and_kind, _, _ = frames.HEADER.unpack_from(answer, at)
        if size_and_kind & 0xFF == frames.GOAWAY:
            return int.from_bytes(answer[at + 13 : at + 17], "big")
        at += 9 + (size_and_kind >> 8)
    return None


class Raw:
    """A server, and a client that sends what it is told, well-formed or not, and keeps the frames that come back."""

    def __init__(self, *first: Frame, settings: dict[int, int] | None = None) -> None:
        self.app = Application()
        self.connections = Connections()
        self.server = Http2(self.app.route, self.connections)
        self.transport = Transport()
        self.encoder = Encoder()
        self.decoder = Decoder()
        self.heard: list[Frame] = []
        self.answers: dict[int, dict[str, str]] = {}
        self.server.connection_made(self.transport)
        self.server.data_received(frames.PREFACE)
        self.say(SettingsFrame(0, settings=settings or {}), *first)

    def say(self, *said: Frame | bytes) -> list[Frame]:
        """Send frames in one chunk, and return those that came back at once."""
        raw = b"".join(each if isinstance(each, bytes) else each.serialize() for each in said)
        self.server.data_received(raw)
        return self.hear()

    def hear(self) -> list[Frame]:
        """Read what came; header blocks are decoded in their order."""
        rest, came = memoryview(self.transport.take()), []
        while rest:
            frame, length = Frame.parse_frame_header(rest[:9])
            frame.parse_body(rest[9 : 9 + length])
            rest = rest[9 + length :]
            came.append(frame)
            if isinstance(frame, HeadersFrame):
                self.answers[frame.stream_id] = dict(self.decoder.decode(frame.data))  # type: ignore[arg-type]  # text
        self.heard += came
        return came

    def headers(self, stream: int, *fields: Field, end: bool = True, more: bool = False) -> HeadersFrame:
        """Build a HEADERS frame of these fields, in their order."""
        frame = HeadersFrame(stream, data=self.encoder.encode(list(fields)))
        frame.flags |= ({"END_STREAM"} if end else set()) | (set() if more else {"END_HEADERS"})
        return frame

    def status(self, stream: int) -> str | None:
        """Return what a stream was answered."""
        return self.answers.get(stream, {}).get(":status")

    def reset(self, stream: int) -> int | None:
        """Return the code that a stream was reset with."""
        found = {each.stream_id: each.error_code for each in self.heard if isinstance(each, RstStreamFrame)}
        return found.get(stream)

    def ended(self) -> int | None:
        """Return the code of the GOAWAY."""
        found = [each.error_code for each in self.heard if isinstance(each, GoAwayFrame)]
        return found[0] if found else None


def data(stream: int, body: bytes = b"", *, end: bool = True, padding: int | None = None) -> DataFrame:
    """Build a DATA frame."""
    frame = DataFrame(stream, data=body, pad_length=padding or 0)
    frame.flags |= ({"END_STREAM"} if end else set()) | (set() if padding is None else {"PADDED"})
    return frame
