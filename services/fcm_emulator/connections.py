"""Cutting this process's own TCP connections, by what the kernel knows of them.

The HTTP server owns its sockets and lends none out; their descriptors are found by the peer's address and shut down
underneath it. All streams of the connection end with it, as when a path or a peer dies.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def cut(client: str) -> int:
    """Shut down the connection from `client` ("host:port"); return how many were found."""
    host, _, port = client.rpartition(":")
    return _shut(peer=(host.strip("[]"), int(port)))


def cut_all(port: int) -> int:
    """Shut down every connection accepted on a local port; return how many."""
    return _shut(local_port=port)


def _shut(*, peer: tuple[str, int] | None = None, local_port: int | None = None) -> int:
    count = 0
    for connection in _sockets():
        # Not connected, not TCP, or gone meanwhile: not ours to cut.
        with connection, suppress(OSError):
            address = connection.getpeername()[:2]
            if address == peer or (local_port is not None and connection.getsockname()[1] == local_port):
                connection.shutdown(socket.SHUT_RDWR)
                count += 1
    return count


def _sockets() -> Iterator[socket.socket]:
    """Yield a duplicate of each TCP socket of this process."""
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - a listing of numbers, not of paths
        # Any of them may be closed by its owner between two lines.
        with suppress(OSError):
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            descriptor = os.dup(int(name))
            try:
                connection = socket.socket(fileno=descriptor)
            except OSError:
                os.close(descriptor)
                continue
            if connection.family in {socket.AF_INET, socket.AF_INET6}:
                yield connection
            else:
                connection.close()
