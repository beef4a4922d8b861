"""A port that leads to another one as long as it is open: a server that is late, seen from its clients."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from deploy.local.ports import LOOPBACK

_PIECE = 65536


@contextlib.asynccontextmanager
async def forwarded(port: int, *, to: int) -> AsyncIterator[None]:
    """Accept connections on `port` of this machine and carry them to port `to`, until the block ends."""
    carriers: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            try:
                while piece := await reader.read(_PIECE):
                    writer.write(piece)
                    await writer.drain()
            finally:
                writer.close()
                await writer.wait_closed()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(LOOPBACK, to)
        carriers.add(asyncio.create_task(carry(reader, back)))
        carriers.add(asyncio.create_task(carry(there, writer)))

    server = await asyncio.start_server(accept, LOOPBACK, port)
    try:
        yield
    finally:
        server.close()
        for carrier in carriers:
            carrier.cancel()
        await asyncio.gather(*carriers, return_exceptions=True)
        await server.wait_closed()
