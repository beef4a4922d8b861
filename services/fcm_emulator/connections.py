"""Open connections, whatever they speak, and how they are cut.

A cut is the kernel's: the socket is shut down beneath TLS, so that its client sees the end at once and unannounced, as
when a path or a peer dies. The loop then reads the end of its own socket and closes it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from services.fcm_emulator.exchange import Router


class Connections:
    """Those that are open, from their handshake to their end."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        # Whether a stream above the limit ends its connection.
        self.goaway_on_surplus = False

    def __len__(self) -> int:
        return len(self._open)

    @property
    def busy(self) -> bool:
        """Whether any request waits for its answer."""
        return any(connection.busy for connection in self._open)

    def add(self, connection: Connection) -> None:
        """Take one in."""
        self._open.add(connection)

    def discard(self, connection: Connection) -> None:
        """Forget one."""
        self._open.discard(connection)

    def goaway(self) -> None:
        """Announce the end of each; answers in flight still come."""
        for connection in list(self._open):
            connection.goaway()

    def cut(self) -> int:
        """Cut each at once, with its answers in flight; return how many."""
        for connection in self._open:
            connection.shut()
        return len(self._open)

    def cut_hanging(self) -> None:
        """Cut those with a request that is never answered."""
        for connection in self._open:
            if connection.hanging:
                connection.shut()


class Connection(asyncio.Protocol):
    """What both protocols have."""

    hanging = False

    def __init__(self, router: Router, connections: Connections) -> None:
        self._router = router
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        # Nothing is read and nothing answered any more.
        self._over = False
        self._paused = False

    @property
    def busy(self) -> bool:
        """Whether a request waits for its answer."""
        raise NotImplementedError

    def goaway(self) -> None:
        """End once the requests at hand are answered."""
        raise NotImplementedError

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start."""
        # By its methods: uvloop's are no subclasses.
        self._transport = cast("asyncio.Transport", transport)
        self._peer = transport.get_extra_info("peername")
        self._connections.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """End."""
        self._over = True
        self._connections.discard(self)

    def pause_writing(self) -> None:
        """Ask no stream for more."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self._paused = False

    def cut(self) -> None:
        """Cut the connection, once what was written has left."""
        self._over = True
        # What was written in this turn of the loop leaves at its end, also with uvloop.
        self._loop.call_soon(self._loop.call_soon, self.shut)

    def shut(self) -> None:
        """Cut the connection now."""
        self._over = True
        # Closed already: its number may be another's by now.
        with suppress(OSError), _twin(self._transport) as connection:
            if connection.getpeername() == self._peer:
                connection.shutdown(socket.SHUT_RDWR)


def _twin(transport: asyncio.Transport) -> socket.socket:
    """Return a duplicate of a transport's socket: the loop lends out its own for little."""
    descriptor = os.dup(transport.get_extra_info("socket").fileno())
    try:
        return socket.socket(fileno=descriptor)
    except OSError:
        os.close(descriptor)
        raise
