"""Cutting one's own connections, and nobody else's."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.fcm_emulator.connections import cut, cut_all

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Listen on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def connect(listener: socket.socket) -> Pair:
    """Return a connection's two ends: the client's, the server's."""
    client = socket.create_connection(listener.getsockname(), timeout=5)
    return client, listener.accept()[0]


def test_a_client_is_cut_off_by_its_address_and_the_others_go_on(listener: socket.socket) -> None:
    """The client sees the end; its neighbour is still heard."""
    one, other = connect(listener), connect(listener)
    with one[0], one[1], other[0], other[1]:
        host, port = one[0].getsockname()
        assert cut(f"{host}:{port}") == 1
        assert one[0].recv(1) == b""
        other[0].sendall(b"x")
        assert other[1].recv(1) == b"x"


def test_all_connections_of_a_port_are_cut_and_its_listener_stays(listener: socket.socket) -> None:
    """New connections are taken at once."""
    one, other = connect(listener), connect(listener)
    with one[0], one[1], other[0], other[1]:
        cut_all(listener.getsockname()[1])
        assert one[0].recv(1) == b""
        assert other[0].recv(1) == b""
    client, server = connect(listener)
    with client, server:
        client.sendall(b"x")
        assert server.recv(1) == b"x"


def test_cutting_leaves_no_descriptor_behind(listener: socket.socket) -> None:
    """However often it is done."""
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(50):
        cut("127.0.0.1:1")
        cut_all(1)
    assert len(list(Path("/dev/fd").iterdir())) == before
