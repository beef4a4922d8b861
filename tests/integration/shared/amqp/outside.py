"""A look at the broker from outside, on a connection of its own."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Self

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from tests.support.eventually import eventually


class Outside:
    """Counts and takes what is in a queue."""

    def __init__(self, channel: AbstractChannel) -> None:
        self.channel = channel

    @classmethod
    @asynccontextmanager
    async def on(cls, url: str) -> AsyncGenerator[Self]:
        """Open a connection of its own."""
        async with await aio_pika.connect(url) as connection, connection.channel() as channel:
            yield cls(channel)

    async def ready(self, queue: str) -> int:
        """Count the messages that wait in a queue."""
        declared = await self.channel.declare_queue(queue, passive=True)
        return int(declared.declaration_result.message_count or 0)

    async def take(self, queue: str, within: float = 5.0) -> AbstractIncomingMessage:
        """Take one message, waiting for it."""
        declared = await self.channel.declare_queue(queue, passive=True)

        async def get() -> AbstractIncomingMessage | None:
            return await declared.get(no_ack=True, fail=False)

        message = await eventually(get, within)
        assert message is not None
        return message

    async def take_all(self, queue: str) -> list[AbstractIncomingMessage]:
        """Take what is there."""
        return [await self.take(queue) for _ in range(await self.ready(queue))]
