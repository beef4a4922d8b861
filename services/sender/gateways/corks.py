"""Corks: what many messages write to a connection in one turn leaves it together.

Libcurl writes each message by a system call of its own, and uncorked each becomes a segment, an interrupt and a wake-up
of the peer. A corked connection only keeps what is written; uncorked again, it sends all of it in full segments. Where
the system has no corks (Linux has), every message goes by itself.
"""

import socket
from collections.abc import Collection, Generator
from contextlib import contextmanager, suppress

CORK: int | None = getattr(socket, "TCP_CORK", None)


@contextmanager
def corked(fds: Collection[int]) -> Generator[None]:
    """Keep what is written to these connections until the end of the block.

    What is no TCP connection, or none any more, is left as it is: libcurl closes sockets without a word.
    """
    _set(fds, on=True)
    try:
        yield
    finally:
        _set(fds, on=False)


def _set(fds: Collection[int], *, on: bool) -> None:
    if CORK is None:
        return
    for fd in fds:
        with suppress(OSError):
            connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=fd)
            try:
                connection.setsockopt(socket.IPPROTO_TCP, CORK, on)
            finally:
                connection.detach()  # it stays libcurl's
