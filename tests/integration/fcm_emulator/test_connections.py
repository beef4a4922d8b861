"""Cutting one connection, or all, and nothing else."""

import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from services.fcm_emulator.answers import HTML, Reply
from services.fcm_emulator.connections import Connections
from services.fcm_emulator.exchange import Exchange, Handler, Head
from services.fcm_emulator.http1 import Http1
from tests.unit.fcm_emulator.transport import Transport


class SocketTransport(Transport):
    """A transport that knows its socket."""

    def __init__(self, server: socket.socket) -> None:
        super().__init__()
        self._known = {"socket": server, "peername": server.getpeername()}

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the socket or its peer."""
        return self._known.get(name, default)


class Pair:
    """A connection's two ends."""

    def __init__(self, listener: socket.socket, connections: Connections) -> None:
        self.client = socket.create_connection(listener.getsockname(), timeout=5)
        self.server = listener.accept()[0]
        self.connection = Http1(route, connections)
        self.connection.connection_made(SocketTransport(self.server))

    def close(self) -> None:
        """Close both."""
        self.client.close()
        self.server.close()

    def passes(self) -> bool:
        """Whether bytes still pass."""
        self.client.sendall(b"x")
        return self.server.recv(1) == b"x"


def route(_head: Head) -> Handler:
    """Answer everything alike."""

    def handle(_authorization: str | None, _body: bytes, exchange: Exchange) -> None:
        exchange.answer(Reply(404, HTML, b""))

    return handle


def descriptors() -> int:
    """Count this process's open files."""
    return len(list(Path("/dev/fd").iterdir()))


@pytest.fixture
async def connect() -> AsyncIterator[Callable[[Connections], Pair]]:
    """Make connections; they are closed after the test."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:

        def make(connections: Connections) -> Pair:
            pair = Pair(listener, connections)
            stack.callback(pair.close)
            return pair

        yield make


async def test_a_client_is_cut_off_and_the_others_go_on(connect: Callable[[Connections], Pair]) -> None:
    """It sees the end at once; its neighbour is still heard."""
    connections = Connections()
    one, other = connect(connections), connect(connections)
    one.connection.shut()
    assert one.client.recv(1) == b""
    assert other.passes()


async def test_all_connections_are_cut(connect: Callable[[Connections], Pair]) -> None:
    """Those of another server are not."""
    connections = Connections()
    one, two, other = connect(connections), connect(connections), connect(Connections())
    assert connections.cut() == 2
    assert (one.client.recv(1), two.client.recv(1)) == (b"", b"")
    assert other.passes()


async def test_a_connection_that_is_closed_cuts_nobody_who_has_its_number_now(
    connect: Callable[[Connections], Pair],
) -> None:
    """Descriptors are used again."""
    connections = Connections()
    one, other = connect(connections), connect(Connections())
    number = one.server.detach()
    os.dup2(other.server.fileno(), number)
    reused = socket.socket(fileno=number)
    with reused:
        one.connection._transport = SocketTransport(reused)
        one.connection.shut()
        assert other.passes()


async def test_cutting_leaves_no_descriptor_behind(connect: Callable[[Connections], Pair]) -> None:
    """However often it is done."""
    connections = Connections()
    connect(connections)
    before = descriptors()
    for _ in range(50):
        connections.cut()
    assert descriptors() == before
