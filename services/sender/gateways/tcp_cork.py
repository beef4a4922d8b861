"""TCP_CORK: what many messages write to a connection in one turn of the event loop is sent together.

Libcurl writes each message by a system call of its own, and uncorked each becomes a segment, an interrupt and a wake-up
of the peer. A corked connection only keeps what is written; uncorked again, it sends all of it in full segments. Where
the system has no corks (Linux has), every message goes by itself.
"""

import socket
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress

CORK: int | None = getattr(socket, "TCP_CORK", None)
"""Linux has it; elsewhere nothing is done."""


@contextmanager
def corked(fds: Iterable[int]) -> Generator[None]:
    """Keep what is written to these connections until the end of the block.

    A descriptor that is no open TCP connection is left alone: libcurl closes sockets without notice.
    """
    held: list[socket.socket] = []
    try:
        for fd in fds if CORK is not None else ():
            with suppress(OSError):
                held.append(socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=fd))
                _set(held[-1], on=True)
        yield
    finally:
        for connection in held:
            with suppress(OSError):
                _set(connection, on=False)
            connection.detach()  # it stays libcurl's


def _set(connection: socket.socket, *, on: bool) -> None:
    if CORK is not None:
        connection.setsockopt(socket.IPPROTO_TCP, CORK, on)
