"""A server's side of an HTTP/1.1 connection, for clients that ask for no other: google-auth, the control routes."""

from __future__ import annotations

from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from services.fcm_emulator.answers import HTML, JSON, Reply
from services.fcm_emulator.connections import Connection
from services.fcm_emulator.exchange import Head

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.fcm_emulator.connections import Connections
    from services.fcm_emulator.exchange import Router

_BAD_REQUEST = Reply(400, HTML, b"<!DOCTYPE html>\n<html lang=en>\n<title>Error 400 (Bad Request)</title>\n")


class Http1(Connection):
    """One connection. Requests are answered in their order, one at a time."""

    def __init__(self, router: Router, connections: Connections) -> None:
        super().__init__(router, connections)
        self._parser = HttpRequestParser(self)
        self._url = b""
        self._fields: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._waiting: deque[tuple[Head, bytes, Exchange1]] = deque()
        self._current: Exchange1 | None = None
        self._leaving = False

    @property
    def busy(self) -> bool:
        """Whether a request waits for its answer."""
        return self._current is not None and not self._over

    @property
    def hanging(self) -> bool:  # type: ignore[override]  # worked out when asked
        """Whether a request waits for ever."""
        return self._current is not None and self._current.hanging

    def connection_lost(self, error: Exception | None) -> None:
        """Forget what was asked."""
        super().connection_lost(error)
        self._current = None
        self._waiting.clear()

    def resume_writing(self) -> None:
        """Send on."""
        super().resume_writing()
        if self._current is not None:
            self._current.push()

    def goaway(self) -> None:
        """Close after the answer at hand."""
        self._leaving = True
        self._next()

    def data_received(self, data: bytes) -> None:
        """Take a chunk."""
        if self._over:
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self.begin_answer(_BAD_REQUEST.status, _BAD_REQUEST.headers, len(_BAD_REQUEST.body), last=True)
            self.write(_BAD_REQUEST.body)
            self._close()

    def on_message_begin(self) -> None:
        """Parser: a request begins."""
        self._url = b""
        self._fields = {}
        self._body = []

    def on_url(self, url: bytes) -> None:
        """Parser: a part of its target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Parser: a header."""
        self._fields[name.lower()] = value

    def on_headers_complete(self) -> None:
        """Parser: the body comes next."""
        if self._fields.get(b"expect", b"").lower() == b"100-continue":
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Parser: a part of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Parser: the request is whole."""
        path, _, query = self._url.decode("latin-1").partition("?")
        authorization = self._fields.get(b"authorization")
        bearer = None if authorization is None else authorization.decode("latin-1")
        head = Head(self._parser.get_method().decode(), path, query, bearer)
        modern = self._parser.get_http_version() == "1.1"
        last, bodiless = not self._parser.should_keep_alive(), head.method == "HEAD"
        exchange = Exchange1(self, last=last, chunked=modern, bodiless=bodiless)
        self._waiting.append((head, b"".join(self._body), exchange))
        self._next()

    def ask_next(self, exchange: Exchange1, *, last: bool) -> None:
        """Go on to the next request: this one is answered."""
        if exchange is self._current:
            self._current = None
            self._leaving |= last
            self._next()

    def is_current(self, exchange: Exchange1) -> bool:
        """Whether its client still waits for it."""
        return exchange is self._current and not self._over

    @property
    def paused(self) -> bool:
        """Whether the socket is full."""
        return self._paused

    def write(self, part: bytes) -> None:
        """Write."""
        if not self._over:
            self._transport.write(part)

    def begin_answer(self, status: int, headers: list[tuple[str, str]], length: int | None, *, last: bool) -> None:
        """Write an answer's head; where a body has no length it is chunked, or ends with the connection."""
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in headers)]
        if length is not None:
            lines.append(f"content-length: {length}")
        elif not last:
            lines.append("transfer-encoding: chunked")
        if last or self._leaving:
            lines.append("connection: close")
        self.write("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def _next(self) -> None:
        if self._current is not None or self._over:
            return
        if self._leaving:
            self._close()
        elif self._waiting:
            head, body, self._current = self._waiting.popleft()
            self._router(head)(head.authorization, body, self._current)

    def _close(self) -> None:
        self._over = True
        self._waiting.clear()
        self._transport.close()


class Exchange1:
    """An `Exchange` over HTTP/1.1."""

    def __init__(self, connection: Http1, *, last: bool, chunked: bool, bodiless: bool) -> None:
        self.hanging = False
        self._bodiless = bodiless
        self._connection = connection
        self._last = last
        self._chunked = chunked
        self._chunks: Iterator[bytes] | None = None

    def accept(self, body: bytes) -> None:
        """Answer 200 with this JSON."""
        self.answer(Reply(200, JSON, body))

    def answer(self, reply: Reply) -> None:
        """Answer."""
        connection = self._connection
        if connection.is_current(self):
            connection.begin_answer(reply.status, reply.headers, len(reply.body), last=self._last)
            connection.write(b"" if self._bodiless else reply.body)
            connection.ask_next(self, last=self._last)

    def break_off(self, reply: Reply, *, missing: int) -> None:
        """Answer, and close the connection after the body."""
        connection = self._connection
        if connection.is_current(self):
            connection.begin_answer(reply.status, reply.headers, len(reply.body) + missing, last=self._last)
            connection.write(reply.body)
            connection.ask_next(self, last=True)

    def stream(self, headers: list[tuple[str, str]], chunks: Iterator[bytes]) -> None:
        """Answer 200 with as many bytes as come."""
        if self._connection.is_current(self):
            last = self._last or not (self._chunked or self._bodiless)
            self._connection.begin_answer(200, headers, None, last=last or not self._chunked)
            if self._bodiless:
                self._connection.ask_next(self, last=last)
                return
            self._last, self._chunked, self._chunks = last, not last, chunks
            self.push()

    def push(self) -> None:
        """Send on until the socket is full."""
        while self._chunks is not None and not self._connection.paused and self._connection.is_current(self):
            chunk = next(self._chunks, None)
            if chunk is None:
                self._connection.write(b"0\r\n\r\n" if self._chunked else b"")
                self._connection.ask_next(self, last=self._last)
                return
            if chunk:
                self._connection.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._chunked else chunk)

    def hang(self) -> None:
        """Never answer."""
        self.hanging = True

    def cut(self) -> None:
        """Cut the connection."""
        if self._connection.is_current(self):
            self._connection.cut()
