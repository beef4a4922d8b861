"""A port before RabbitMQ that refuses every passive declaration, as 4.2.6 does to who may not configure.

All else is RabbitMQ's own answer. The refusal closes the channel, on both sides, as the broker's own would.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from pamqp import commands, frame

from tests.support.forwarder import Forwarder, Ways, frames

_PROTOCOL_HEADER = 8
"""Bytes with which a client begins."""
_METHOD = 1
"""The type of a frame that holds a method."""


class LookRefuser(Forwarder):
    """Carries everything but looks; `looks` counts those."""

    def __init__(self, port: int, *, to: int) -> None:
        super().__init__(port, to=to)
        self.looks = 0

    def _ways(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        back: asyncio.StreamWriter,
    ) -> Ways:
        refusals: dict[int, bytes] = {}
        """What a channel that is being refused is told, as soon as it is closed on the broker's side."""
        return ((self._requests(reader, refusals), back), (_answers(there, refusals), writer))

    async def _requests(self, reader: asyncio.StreamReader, refusals: dict[int, bytes]) -> AsyncGenerator[bytes]:
        yield await reader.read(_PROTOCOL_HEADER)
        async for piece in frames(reader):
            number, method = _method(piece)
            if isinstance(method, commands.Queue.Declare | commands.Exchange.Declare) and method.passive:
                self.looks += 1
                refusals[number] = frame.marshal(_refusal(method), number)
                yield frame.marshal(commands.Channel.Close(200, "", 0, 0), number)
            elif number not in refusals:
                yield piece
            elif isinstance(method, commands.Channel.CloseOk):
                del refusals[number]


async def _answers(there: asyncio.StreamReader, refusals: dict[int, bytes]) -> AsyncGenerator[bytes]:
    async for piece in frames(there):
        number, method = _method(piece)
        yield refusals[number] if number in refusals and isinstance(method, commands.Channel.CloseOk) else piece


def _method(piece: bytes) -> tuple[int, Any]:
    """A frame's channel and its method, if it holds one."""
    number = int.from_bytes(piece[1:3])
    return number, frame.unmarshal(piece)[2] if piece[0] == _METHOD else None


def _refusal(method: commands.Queue.Declare | commands.Exchange.Declare) -> commands.Channel.Close:
    kind, name = (
        ("queue", method.queue) if isinstance(method, commands.Queue.Declare) else ("exchange", method.exchange)
    )
    return commands.Channel.Close(
        403,
        f"ACCESS_REFUSED - configure access to {kind} '{name}' refused",
        method.index >> 16,
        method.frame_id,
    )
