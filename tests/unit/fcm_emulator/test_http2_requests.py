"""Requests of every form that RFC 9113 allows are answered; each that it calls malformed (8.1.1) ends alone.

Driven by hyperframe and hpack: hyper-h2's client would refuse to send the malformed ones.
"""

import pytest
from h2.errors import ErrorCodes
from hpack.struct import NeverIndexedHeaderTuple

from tests.unit.fcm_emulator.wire import Field, Raw, data

METHOD, SCHEME, AUTHORITY, PATH = (":method", "POST"), (":scheme", "https"), (":authority", "fcm"), (":path", "/accept")
REQUEST = (METHOD, SCHEME, AUTHORITY, PATH)


@pytest.mark.parametrize(
    "fields",
    [
        REQUEST,
        (PATH, AUTHORITY, SCHEME, METHOD),
        (METHOD, SCHEME, PATH),
        (METHOD, SCHEME, PATH, ("host", "fcm")),
        (*REQUEST, ("host", "FCM:443")),
        (METHOD, (":scheme", "https:"), AUTHORITY, PATH),  # firebase-admin for Node
        (METHOD, SCHEME, AUTHORITY, (":path", "/accept?a=b&c")),
        (*REQUEST, ("te", "trailers")),
        (*REQUEST, ("content-length", "0")),
        (*REQUEST, ("content-length", "0"), ("content-length", "0")),
        (*REQUEST, ("cookie", "a=b"), ("cookie", "c=d")),
        (*REQUEST, ("x-empty", ""), ("x-text", b"\xed\x95\x9c \x80"), ("x-!#$%&'*+.^_`|~0", "in a\tname")),
        (*REQUEST, NeverIndexedHeaderTuple("authorization", "Bearer x")),
        (*REQUEST, ("authorization", "Bearer " + "x" * 10_000)),
        ((":method", "REPORT"), SCHEME, AUTHORITY, PATH),
    ],
    ids=repr,
)
@pytest.mark.parametrize("huffman", [True, False])
async def test_a_request_of_any_form_is_answered(fields: tuple[Field, ...], *, huffman: bool) -> None:
    """Also the second time, by the entries of the table."""
    raw = Raw()
    for stream in (1, 3):
        frame = raw.headers(stream)
        frame.data = raw.encoder.encode(list(fields), huffman=huffman)
        raw.say(frame)
        assert (raw.status(stream), raw.reset(stream)) == ("200", None)


@pytest.mark.parametrize(
    "fields",
    [
        ((":method", "OPTIONS"), SCHEME, AUTHORITY, (":path", "*")),
        ((":method", "CONNECT"), AUTHORITY),
    ],
)
async def test_a_request_for_no_path_is_a_404(fields: tuple[Field, ...]) -> None:
    """Well-formed, and nobody's."""
    raw = Raw()
    raw.say(raw.headers(1, *fields))
    assert raw.status(1) == "404"


@pytest.mark.parametrize(
    "fields",
    [
        (SCHEME, AUTHORITY, PATH),
        (METHOD, AUTHORITY, PATH),
        (METHOD, SCHEME, AUTHORITY),
        ((":method", ""), SCHEME, AUTHORITY, PATH),
        ((":method", "PO ST"), SCHEME, AUTHORITY, PATH),
        (METHOD, SCHEME, AUTHORITY, (":path", "")),
        (METHOD, SCHEME, AUTHORITY, (":path", "accept")),
        (METHOD, SCHEME, AUTHORITY, (":path", "*")),
        (*REQUEST, METHOD),
        (*REQUEST, PATH),
        (*REQUEST, SCHEME),
        (*REQUEST, AUTHORITY),
        (*REQUEST, (":status", "200")),
        (*REQUEST, (":protocol", "websocket")),
        (*REQUEST, (":own", "x")),
        (METHOD, SCHEME, AUTHORITY, ("authorization", "Bearer x"), PATH),
        (*REQUEST, ("host", "another")),
        (*REQUEST, ("Authorization", "Bearer x")),
        (*REQUEST, ("x:own", "x")),
        (*REQUEST, ("", "x")),
        (*REQUEST, ("x own", "x")),
        (*REQUEST, ("x\x00own", "x")),
        (*REQUEST, (b"x-\xe9", "x")),
        (*REQUEST, ("x-own", "a\x00b")),
        (*REQUEST, ("x-own", "a\nb")),
        (*REQUEST, ("x-own", "a\rb")),
        (*REQUEST, ("x-own", " a")),
        (*REQUEST, ("x-own", "a ")),
        (*REQUEST, ("x-own", "\ta")),
        (*REQUEST, ("connection", "keep-alive")),
        (*REQUEST, ("proxy-connection", "keep-alive")),
        (*REQUEST, ("keep-alive", "timeout=5")),
        (*REQUEST, ("transfer-encoding", "chunked")),
        (*REQUEST, ("upgrade", "h2c")),
        (*REQUEST, ("te", "gzip")),
        (*REQUEST, ("te", "trailers, deflate")),
        (*REQUEST, ("content-length", "1")),
        (*REQUEST, ("content-length", "-1")),
        (*REQUEST, ("content-length", "+0")),
        (*REQUEST, ("content-length", "")),
        (*REQUEST, ("content-length", "0"), ("content-length", "1")),
        ((":method", "CONNECT"), SCHEME, AUTHORITY, PATH),
        ((":method", "CONNECT"), AUTHORITY, (":scheme", "https")),
        ((":method", "CONNECT"),),
    ],
    ids=repr,
)
async def test_a_malformed_request_ends_its_stream_and_no_other(fields: tuple[Field, ...]) -> None:
    """Also when it comes again, with the table as it was; the one beside it is answered."""
    raw = Raw()
    for stream in (1, 5):
        raw.say(raw.headers(stream, *fields), raw.headers(stream + 2, *REQUEST))
        assert (raw.status(stream), raw.reset(stream)) == (None, ErrorCodes.PROTOCOL_ERROR)
        assert raw.status(stream + 2) == "200"
    assert len(raw.app.bodies) == 2
    assert raw.ended() is None


async def test_a_malformed_request_may_still_send_what_it_has() -> None:
    """Its client had not heard yet."""
    raw = Raw()
    raw.say(raw.headers(1, *REQUEST, ("te", "gzip"), end=False))
    raw.say(data(1, b"late", end=False), raw.headers(1, ("checksum", "1")))
    raw.say(raw.headers(3, *REQUEST))
    assert (raw.status(3), raw.ended()) == ("200", None)


@pytest.mark.parametrize(
    "trailer",
    [(":path", "/accept"), (":status", "200"), ("Checksum", "1"), ("connection", "close"), ("x-own", "a\nb")],
)
async def test_trailers_are_fields_and_no_pseudo_headers(trailer: Field) -> None:
    """A request with others is malformed."""
    raw = Raw()
    raw.say(raw.headers(1, *REQUEST, end=False), data(1, b"body", end=False), raw.headers(1, trailer))
    assert (raw.status(1), raw.reset(1)) == (None, ErrorCodes.PROTOCOL_ERROR)
    assert raw.app.bodies == []


@pytest.mark.parametrize("path", ["/echo", "/stream"])
async def test_head_is_answered_without_a_body(path: str) -> None:
    """With the length that GET would have; the next request is answered as ever."""
    raw = Raw()
    head = raw.headers(1, (":method", "HEAD"), SCHEME, AUTHORITY, (":path", path), end=False)
    came = raw.say(head, data(1, b"x" * 100))
    assert [(type(frame).__name__, "END_STREAM" in frame.flags) for frame in came] == [("HeadersFrame", True)]
    assert raw.answers[1].get("content-length") == (None if path == "/stream" else "100")
    raw.say(raw.headers(3, *REQUEST))
    assert raw.status(3) == "200"
    assert not raw.server.busy
