"""A port that leads to another one: a server that comes late, loses its connections or falls silent, seen from outside.

`forwarded` is open as long as its block runs. A `Forwarder` can also cut what it carries, or hold it half-open.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from deploy.local.ports import LOOPBACK

_PIECE = 65536


class Forwarder:
    """Carries connections to `port` of this machine on to port `to`, from `open` to `close`."""

    def __init__(self, port: int, *, to: int) -> None:
        self.port = port
        self._to = to
        self._server: asyncio.Server | None = None
        self._carriers: set[asyncio.Task[None]] = set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port)

    def cut(self) -> None:
        """Reset every connection, as a firewall does; new ones are carried."""
        for end in self._ends:
            end.transport.abort()

    def hold(self) -> None:
        """Carry nothing any more and close nothing: to both sides the other has just fallen silent."""
        self._flowing.clear()

    def let_go(self) -> None:
        """End what was held, and carry new connections again."""
        self.cut()
        self._flowing.set()

    async def close(self) -> None:
        """End everything."""
        if self._server is not None:
            self._server.close()
        for carrier in self._carriers:
            carrier.cancel()
        await asyncio.gather(*self._carriers, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.add(writer)
        await self._flowing.wait()
        if writer.transport.is_closing():
            self._ends.discard(writer)
            return
        try:
            there, back = await asyncio.open_connection(LOOPBACK, self._to)
        except OSError:
            self._ends.discard(writer)
            writer.transport.abort()
            return
        self._ends.add(back)
        for source, sink in ((reader, back), (there, writer)):
            carrier = asyncio.create_task(self._carry(source, sink))
            self._carriers.add(carrier)
            carrier.add_done_callback(self._carriers.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            try:
                while piece := await reader.read(_PIECE):
                    await self._flowing.wait()
                    writer.write(piece)
                    await writer.drain()
            finally:
                self._ends.discard(writer)
                writer.close()
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def forwarded(port: int, *, to: int) -> AsyncIterator[None]:
    """Accept connections on `port` of this machine and carry them to port `to`, until the block ends."""
    forwarder = Forwarder(port, to=to)
    await forwarder.open()
    try:
        yield
    finally:
        await forwarder.close()
