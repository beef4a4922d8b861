"""The server around the emulator: one process, one loop, TLS, and HTTP/2 or HTTP/1.1 as the client chooses."""

from __future__ import annotations

import asyncio
import socket
import ssl
from time import monotonic
from typing import TYPE_CHECKING, Self

from services.fcm_emulator.connections import Connections
from services.fcm_emulator.http1 import Http1
from services.fcm_emulator.http2 import Http2

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from services.fcm_emulator.app import Emulator
    from services.fcm_emulator.identity import Certificate

# Connections that wait to be accepted: a sender opens all of its own at once.
_BACKLOG = 1024
# Answers in flight get this long at the end; then their connections are cut.
_STOP_BUDGET = 1.0
# Between two looks at whether all is answered, or all is closed.
_LOOK = 0.01


class PortTakenError(Exception):
    """Raised when somebody else listens on the port asked for."""


class Server:
    """Serves an emulator on a port (0: a free one) from `async with` to its end."""

    def __init__(
        self,
        emulator: Emulator,
        certificate: Certificate,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        name: str | None = None,
    ) -> None:
        self._emulator = emulator
        self._name = name or host
        self._context = _context(certificate)
        self._connections = Connections()
        self._listener = _listen(host, port)
        self.port: int = self._listener.getsockname()[1]
        self._server: asyncio.Server
        self._storms: list[asyncio.Task[None]] = []

    @property
    def url(self) -> str:
        """The address clients are pointed at."""
        return f"https://{self._name}:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Greeting(self._emulator, self._connections),
            sock=self._listener,
            ssl=self._context,
            ssl_shutdown_timeout=_STOP_BUDGET,
            backlog=_BACKLOG,
        )
        self._emulator.on_goaway = self._connections.goaway
        self._emulator.on_cut = self._connections.cut
        self._emulator.on_script = self._follow
        self._follow()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for storm in self._storms:
            storm.cancel()
        self._server.close()
        self._connections.cut_hanging()
        self._connections.goaway()
        await _within(_STOP_BUDGET, lambda: not self._connections.busy)
        # What was answered last leaves at the end of its turn.
        await asyncio.sleep(_LOOK)
        self._connections.cut()
        await _within(_STOP_BUDGET, lambda: not self._connections)

    def _follow(self) -> None:
        """Follow what the script says of connections: `goaway_every`, `cut_every` and `goaway_on_surplus`."""
        for storm in self._storms:
            storm.cancel()
        script = self._emulator.script
        self._connections.goaway_on_surplus = script.goaway_on_surplus
        storms: list[tuple[float | None, Callable[[], object]]] = [
            (script.goaway_every, self._connections.goaway),
            (script.cut_every, self._connections.cut),
        ]
        self._storms = [asyncio.create_task(_repeat(every, strike), name="storm") for every, strike in storms if every]


class _Greeting(asyncio.Protocol):
    """A connection whose handshake is over: it goes on in the protocol that was agreed on."""

    def __init__(self, emulator: Emulator, connections: Connections) -> None:
        self._emulator = emulator
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand over."""
        chosen = transport.get_extra_info("ssl_object").selected_alpn_protocol()
        connection = (Http2 if chosen == "h2" else Http1)(self._emulator.route, self._connections)
        transport.set_protocol(connection)
        connection.connection_made(transport)


async def _repeat(every: float, strike: Callable[[], object]) -> None:
    while True:
        await asyncio.sleep(every)
        strike()


async def _within(budget: float, done: Callable[[], bool]) -> None:
    """Wait until something is done, or the budget is spent."""
    end = monotonic() + budget
    # The conditions are many connections', and asked for once in a life.
    while not done() and monotonic() < end:  # noqa: ASYNC110 - see above
        await asyncio.sleep(_LOOK)


def _context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert_file, certificate.key_file)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def _listen(host: str, port: int) -> socket.socket:
    """Listen, or say that somebody else does."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        # A port that was used a moment ago is free; one that is listened on is not.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise PortTakenError(
            f"cannot listen on {host}:{port} ({error}); choose another port, or 0 for a free one"
        ) from error
    return listener
