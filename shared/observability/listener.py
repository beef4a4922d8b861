"""An HTTP server inside this process, with its socket bound before anything says that it is up."""

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn
from starlette.types import ASGIApp

from shared.errors import ConfigurationError

PROBE_DRAIN = 2.0
"""Seconds that a worker's stop waits for a probe or scrape in hand."""
BACKLOG = 2048
"""Connections that the kernel holds while the loop is busy."""


class Listener:
    """Serves an application on one address; raises `ConfigurationError` when it is taken or not ours."""

    def __init__(self, app: ASGIApp, *, host: str, port: int, drain_timeout: float) -> None:
        self._server = _Server(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=max(1, int(drain_timeout)),
            )
        )
        self._done = asyncio.Event()
        self._started = False
        self._socket = _bind(host, port)
        self.port: int = self._socket.getsockname()[1]

    async def run(self) -> None:
        """Serve until `drain`."""
        self._started = True
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            self._done.set()

    async def drain(self) -> None:
        """Take no more connections; wait until the requests in hand are answered or the budget is used up."""
        self._server.should_exit = True
        if self._started:
            await self._done.wait()

    def close(self) -> None:
        """Close the socket, also when nothing was ever served."""
        with contextlib.suppress(OSError):
            self._socket.close()


class _Server(uvicorn.Server):
    """uvicorn without signal handlers: signals are handled by `lifecycle`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Install no handlers."""
        yield


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(BACKLOG)
            bound.setblocking(False)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise ConfigurationError(
            f"Nothing can listen on {host}:{port}: {error}. Set CARILLON_HTTP_HOST and CARILLON_HTTP_PORT to an "
            f"address of this machine that is free."
        ) from error
    return bound
