"""The HTTP/1.1 connection: what google-auth, requests and httpx need of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fcm_emulator.connections import Connections
from services.fcm_emulator.http1 import Http1
from tests.unit.fcm_emulator.transport import Application, Transport


class Wire:
    """A server to write to."""

    def __init__(self) -> None:
        self.app = Application()
        self.connections = Connections()
        self.server = Http1(self.app.route, self.connections)
        self.transport = Transport()
        self.server.connection_made(self.transport)

    def say(self, *requests: bytes) -> bytes:
        """Send, and return what came back at once."""
        for request in requests:
            self.server.data_received(request)
        return self.transport.take()


def request(path: str, body: bytes = b"", *headers: str, version: str = "1.1", method: str = "POST") -> bytes:
    """Write a request."""
    head = [f"{method} {path} HTTP/{version}", "Host: x", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


def answer(body: bytes, status: str = "200 OK") -> bytes:
    """Write the answer that is expected."""
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json; charset=UTF-8\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


@given(size=st.integers(1, 200))
async def test_requests_are_answered_in_their_order_however_they_are_cut(size: int) -> None:
    """Also when they come before the answer to the one before."""
    wire = Wire()
    data = request("/accept?a=b", b"one", "Authorization: Bearer x") + request("/keep") + request("/echo", b"three")
    assert wire.say(*(data[at : at + size] for at in range(0, len(data), size))) == answer(b"one")
    assert (wire.app.heads[0].query, wire.app.heads[0].authorization) == ("a=b", "Bearer x")
    assert wire.server.busy
    wire.app.kept[0].accept(b"two")
    assert wire.transport.take() == answer(b"two") + answer(b"three", "404 Not Found")
    assert not wire.transport.closed


async def test_a_long_answer_comes_in_chunks_and_waits_for_room() -> None:
    """The connection goes on after it."""
    wire = Wire()
    wire.server.pause_writing()
    assert wire.say(request("/stream", b"x" * 8_000)).endswith(b"transfer-encoding: chunked\r\n\r\n")
    wire.server.resume_writing()
    assert wire.transport.take() == b"1b58\r\n%b\r\n3e8\r\n%b\r\n0\r\n\r\n" % (b"x" * 7_000, b"x" * 1_000)
    assert wire.say(request("/accept", b"x")) == answer(b"x")


async def test_an_old_client_gets_a_long_answer_until_the_end() -> None:
    """HTTP/1.0 knows no chunks."""
    wire = Wire()
    assert wire.say(request("/stream", b"x" * 8_000, version="1.0")).endswith(b"\r\n\r\n" + b"x" * 8_000)
    assert wire.transport.closed


async def test_a_body_that_breaks_off_is_followed_by_the_end() -> None:
    """Its client waits for no more."""
    wire = Wire()
    assert wire.say(request("/broken", b'{"name"')).endswith(b'content-length: 100\r\n\r\n{"name"')
    assert wire.transport.closed


@pytest.mark.parametrize("path", ["/accept", "/echo", "/stream"])
async def test_head_is_answered_without_a_body(path: str) -> None:
    """With what GET would say of it; the next request is answered as ever."""
    wire = Wire()
    head, _, body = wire.say(request(path, b"x" * 100, method="HEAD")).partition(b"\r\n\r\n")
    assert body == b""
    assert (b"transfer-encoding: chunked" if path == "/stream" else b"content-length: 100") in head
    assert wire.say(request("/accept", b"next")) == answer(b"next")
    assert not wire.transport.closed


async def test_head_by_an_old_client_ends_as_it_asks() -> None:
    """HTTP/1.0 closes unless it is asked to stay."""
    wire = Wire()
    assert wire.say(request("/stream", b"x", version="1.0", method="HEAD")).endswith(b"\r\n\r\n")
    assert wire.transport.closed


async def test_a_client_may_ask_whether_to_send_its_body_and_to_close() -> None:
    """Expect and Connection."""
    wire = Wire()
    head, _, body = request("/accept", b"x", "Expect: 100-continue", "Connection: close").partition(b"\r\n\r\n")
    assert wire.say(head + b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert b"connection: close" in wire.say(body)
    assert wire.transport.closed


@pytest.mark.parametrize("wrong", [b"nonsense\r\n\r\n", request("/", b"", "Upgrade: h2c", "Connection: Upgrade")])
async def test_what_is_no_request_is_a_400_and_the_end(wrong: bytes) -> None:
    """Nothing more is read."""
    wire = Wire()
    assert b"HTTP/1.1 400 Bad Request\r\n" in wire.say(wrong)
    assert wire.transport.closed
    assert wire.say(request("/accept")) == b""


async def test_a_connection_that_is_given_up_answers_what_it_has_and_closes() -> None:
    """At once when nothing waits."""
    wire, idle = Wire(), Wire()
    wire.say(request("/keep"))
    for each in (wire, idle):
        each.connections.goaway()
    assert (wire.transport.closed, idle.transport.closed) == (False, True)
    wire.app.kept[0].accept(b"x")
    assert b"connection: close" in wire.transport.take()
    assert wire.transport.closed


async def test_an_answer_for_a_client_that_left_goes_nowhere() -> None:
    """Nor does a cut."""
    wire = Wire()
    wire.say(request("/keep"))
    wire.server.connection_lost(None)
    wire.app.kept[0].accept(b"x")
    wire.app.kept[0].cut()
    assert wire.transport.take() == b""
    assert not wire.connections
