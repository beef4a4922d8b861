"""The HTTP server around the emulator: one process, one loop, TLS and HTTP/2 in Rust (granian).

GOAWAY is real: a second server takes over the port, the first shuts down gracefully, which is what a front end that is
rotated out does to its clients.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from granian.http import HTTP2Settings
from granian.log import LogLevels
from granian.server.embed import Server as Granian

from services.fcm_emulator.connections import cut_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from services.fcm_emulator.app import Emulator
    from services.fcm_emulator.identity import Certificate

# FCM's reported figure; a client that ignores SETTINGS gets its surplus streams refused.
MAX_CONCURRENT_STREAMS = 100
# Requests granian keeps waiting for the loop: above any client's streams, so that the emulator is never the brake.
_BACKPRESSURE = 100_000
_START_BUDGET = 10.0
# Granian writes to standard output, which is the ready line's; errors go where errors go.
_CONSOLE = {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stderr"}
_LOGGING = {"handlers": {"console": _CONSOLE, "access": _CONSOLE}}
# Answers in flight get this long at the end; then their connections are cut.
_STOP_BUDGET = 1.0
# A new server is listening by then; starting takes under a millisecond.
_TAKEOVER = 0.05


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
        self._certificate = certificate
        self._host = host
        self._name = name or host
        self._reservation = _reserve(host, port)
        self.port: int = self._reservation.getsockname()[1]
        self._granian: Granian
        self._serving: asyncio.Task[None]
        self._retiring: set[asyncio.Task[None]] = set()
        self._storms: list[asyncio.Task[None]] = []

    @property
    def url(self) -> str:
        """The address clients are pointed at."""
        return f"https://{self._name}:{self.port}"

    async def __aenter__(self) -> Self:
        if sys.platform != "linux":
            # Only Linux lets a listener share a port with a socket that is bound and does not listen.
            self._reservation.close()
        self._start()
        async with asyncio.timeout(_START_BUDGET):
            await self._listening()
        self._emulator.on_goaway = self.goaway
        self._emulator.on_cut = lambda: cut_all(self.port)
        self._emulator.on_script = self._set_storms
        self._set_storms()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for storm in self._storms:
            storm.cancel()
        self._emulator.closing.set()
        self._granian.stop()  # type: ignore[no-untyped-call]  # granian's
        ending = {self._serving, *self._retiring}
        _, late = await asyncio.wait(ending, timeout=_STOP_BUDGET)
        if late:
            cut_all(self.port)
            await asyncio.wait(late, timeout=_STOP_BUDGET)
        self._reservation.close()

    def goaway(self) -> None:
        """Send GOAWAY on every open connection; new ones are served at once."""
        task = asyncio.create_task(self._take_over(), name="goaway")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _take_over(self) -> None:
        granian, serving = self._granian, self._serving
        self._start()
        await asyncio.sleep(_TAKEOVER)
        granian.stop()  # type: ignore[no-untyped-call]  # granian's
        await serving

    def _start(self) -> None:
        self._granian = Granian(
            self._emulator,
            address=self._host,
            port=self.port,
            ssl_cert=self._certificate.cert_file,
            ssl_key=self._certificate.key_file,
            http2_settings=HTTP2Settings(max_concurrent_streams=MAX_CONCURRENT_STREAMS),
            websockets=False,
            backpressure=_BACKPRESSURE,
            log_level=LogLevels.error,
            log_dictconfig=_LOGGING,
        )
        self._serving = asyncio.create_task(self._granian.serve(), name="granian")

    async def _listening(self) -> None:
        while True:
            if self._serving.done():
                await self._serving
            with suppress(OSError):
                _, writer = await asyncio.open_connection(self._host, self.port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.005)

    def _set_storms(self) -> None:
        """Follow the script's `goaway_every` and `cut_every`."""
        for storm in self._storms:
            storm.cancel()
        script = self._emulator.script
        storms: list[tuple[float | None, Callable[[], object]]] = [
            (script.goaway_every, self.goaway),
            (script.cut_every, lambda: cut_all(self.port)),
        ]
        self._storms = [asyncio.create_task(_repeat(every, strike), name="storm") for every, strike in storms if every]


async def _repeat(every: float, strike: Callable[[], object]) -> None:
    while True:
        await asyncio.sleep(every)
        strike()


def _reserve(host: str, port: int) -> socket.socket:
    """Bind a port without listening, so that it is ours from now on, also between two servers."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reservation = socket.socket(family, socket.SOCK_STREAM)
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # Without REUSEPORT first: two emulators on a port would silently share its connections.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reservation.bind((host, port))
    except OSError as error:
        reservation.close()
        raise PortTakenError(
            f"cannot listen on {host}:{port} ({error}); choose another port, or 0 for a free one"
        ) from error
    return reservation
