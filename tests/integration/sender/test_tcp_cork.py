"""What is written to a corked connection leaves it when the cork is pulled; pipes and closed sockets stay untouched."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from services.sender.gateways.tcp_cork import CORK, corked

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has corks")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a TCP connection that sends each write at once."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        near = stack.enter_context(socket.create_connection(listener.getsockname()))
        far = stack.enter_context(listener.accept()[0])
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        far.setblocking(False)
        yield near, far


@linux
def test_what_is_written_leaves_at_the_end_of_the_block(pair: tuple[socket.socket, socket.socket]) -> None:
    """All of it, and afterwards each write goes at once again."""
    near, far = pair
    with corked([near.fileno()]):
        near.send(b"one ")
        near.send(b"two")
        with pytest.raises(BlockingIOError):
            far.recv(100)
    assert far.recv(100) == b"one two"
    near.send(b"three")
    assert far.recv(100) == b"three"


@linux
def test_an_error_in_the_block_pulls_the_cork_too(pair: tuple[socket.socket, socket.socket]) -> None:
    """Or the messages before it would wait for ever."""
    near, far = pair

    def fail() -> None:
        with corked([near.fileno()]):
            near.send(b"one")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert far.recv(100) == b"one"


def test_what_is_no_connection_is_left_alone(pair: tuple[socket.socket, socket.socket]) -> None:
    """Libcurl waits on pipes too, and closes sockets without notice."""
    near, far = pair
    reading, writing = os.pipe()
    closed = os.dup(writing)
    os.close(closed)
    with corked([reading, closed, near.fileno()]):
        near.send(b"one")
    os.write(writing, b"open")
    assert os.read(reading, 4) == b"open"
    assert far.recv(100) == b"one"
    os.close(reading)
    os.close(writing)


def test_a_connection_stays_its_owners(pair: tuple[socket.socket, socket.socket]) -> None:
    """Nothing that corked it closes it."""
    near, _ = pair
    with corked([near.fileno()]):
        pass
    assert near.getsockopt(socket.IPPROTO_TCP, CORK or socket.TCP_NODELAY) in (0, 1)
