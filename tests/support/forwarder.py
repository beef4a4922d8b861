"""A port that leads to another one: a server that comes late, loses its connections or falls silent, seen from outside.

`forwarded` is open as long as its block runs. A `Forwarder` can also cut what it carries, or hold it half-open; a
`FrameForwarder` does something at one given frame of RabbitMQ's, so that trouble comes at any moment of a conversation.
`tests.support.look_refuser` answers in RabbitMQ's place.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from deploy.local.ports import LOOPBACK

Ways = tuple[tuple[AsyncGenerator[bytes], asyncio.StreamWriter], ...]

_PIECE = 65536
_FRAME_HEAD = 7
"""Bytes: type, channel, size; the size's bytes and an end mark follow."""


class Forwarder:
    """Carries connections to `port` of this machine on to port `to` of `host`, from `open` to `close`."""

    def __init__(self, port: int, *, to: int, host: str = LOOPBACK) -> None:
        self.port = port
        self.to = to
        self._host = host
        self._server: asyncio.Server | None = None
        self._carriers: set[asyncio.Task[None]] = set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._there = True
        self.refused = 0
        """Connections that were reset as soon as they were made."""

    @property
    def callers(self) -> int:
        """Ends of connections that are open now."""
        return len(self._ends)

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port)

    def cut(self) -> None:
        """Reset every connection, as a firewall does; new ones are carried."""
        for end in self._ends:
            end.transport.abort()

    def go_away(self) -> None:
        """Reset every connection, and any new one until `come_back`, as a server does that was killed."""
        self._there = False
        self.cut()

    def come_back(self) -> None:
        """Carry new connections again."""
        self._there = True

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
        self.let_go()
        for carrier in self._carriers:
            carrier.cancel()
        await asyncio.gather(*self._carriers, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._there:
            self.refused += 1
            writer.transport.abort()
            return
        self._ends.add(writer)
        await self._flowing.wait()
        if writer.transport.is_closing():
            self._ends.discard(writer)
            return
        try:
            there, back = await asyncio.open_connection(self._host, self.to)
        except OSError:
            self._ends.discard(writer)
            writer.transport.abort()
            return
        self._ends.add(back)
        for pieces, sink in self._ways(reader, writer, there, back):
            carrier = asyncio.create_task(self._carry(pieces, sink))
            self._carriers.add(carrier)
            carrier.add_done_callback(self._carriers.discard)

    def _ways(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        back: asyncio.StreamWriter,
    ) -> Ways:
        """What comes from either side and where it goes."""
        return ((_pieces(reader), back), (self._answers(there), writer))

    def _answers(self, there: asyncio.StreamReader) -> AsyncGenerator[bytes]:
        return _pieces(there)

    async def _carry(self, pieces: AsyncGenerator[bytes], writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            try:
                async for piece in pieces:
                    await self._flowing.wait()
                    writer.write(piece)
                    await writer.drain()
            finally:
                self._ends.discard(writer)
                writer.close()
                await writer.wait_closed()


class FrameForwarder(Forwarder):
    """Counts the frames that RabbitMQ answers, over all connections; before number `at` is carried, calls `then`."""

    def __init__(self, port: int, *, to: int, at: int, then: Callable[[Forwarder], None]) -> None:
        super().__init__(port, to=to)
        self.frames = 0
        self._at = at
        self._then = then

    async def _answers(self, there: asyncio.StreamReader) -> AsyncGenerator[bytes]:
        async for frame in frames(there):
            self.frames += 1
            if self.frames == self._at:
                self._then(self)
            yield frame


async def frames(reader: asyncio.StreamReader) -> AsyncGenerator[bytes]:
    """RabbitMQ's frames, whole, until the connection ends."""
    with contextlib.suppress(asyncio.IncompleteReadError):
        while True:
            head = await reader.readexactly(_FRAME_HEAD)
            yield head + await reader.readexactly(int.from_bytes(head[3:]) + 1)


async def _pieces(reader: asyncio.StreamReader) -> AsyncGenerator[bytes]:
    while piece := await reader.read(_PIECE):
        yield piece


@contextlib.asynccontextmanager
async def forwarded(port: int, *, to: int) -> AsyncIterator[None]:
    """Accept connections on `port` of this machine and carry them to port `to`, until the block ends."""
    forwarder = Forwarder(port, to=to)
    await forwarder.open()
    try:
        yield
    finally:
        await forwarder.close()
