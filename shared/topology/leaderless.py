"""Queues that RabbitMQ knows and that do nothing: without a leader they confirm no message and give none.

RabbitMQ 3.10.8 makes one out of a queue that was deleted, declared again, and not yet on disk when the broker was
killed; a cluster, of a queue whose nodes are away. Who asks passively is told that it is there, and what is published
to other queues of its exchange on the same channel is not confirmed either.

| a queue | is |
|---|---|
| to which publishes fail, or that registers no consumer of ours | suspected, and asked for one on a new connection |
| that registers none within `ANSWERS_WITHIN` | leaderless: readiness names it |
| that is leaderless for `patience`, while a new queue works | deleted, and put back by `repair` |

What was in it is not lost: messages stand for rows of the ledger, whose sweeps publish them again. Dead letters stand
for nothing else, so `dead` is never deleted.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiormq
import structlog
from aio_pika.abc import AbstractRobustConnection
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity, ConnectionInternalError

from shared.amqp.connection import CHECK, CONNECT_TIMEOUT, TROUBLE, in_words, not_cancelled
from shared.amqp.publisher import Publisher
from shared.amqp.subscription import Subscription
from shared.errors import BrokerUnavailableError
from shared.topology import DEAD_LETTERS, Queue

log = structlog.get_logger()

ANSWERS_WITHIN = 5.0
"""Seconds in which a queue registers a consumer or hands a message over: milliseconds, if it has a leader."""
DELETE_WITHIN = 20.0
"""Seconds for a deletion: RabbitMQ waits 5 for the leader, then deletes without it."""
BYE = 1.0
"""Seconds to close a connection, which the broker puts off while one of its channels waits for a leader."""
NAME = "carillon asks for a queue's leader"
"""What the management UI shows of that connection."""
LAST = -1000
"""Priority of the consumer that is asked for: a message comes to it only when no other can take one, and goes back."""
TRIAL_LIVES = 60_000
"""Milliseconds after which the broker itself deletes a trial's queue, should this process die in between."""


class Leaderless:
    """Asks the suspects among the queues that a process uses, and deletes what serves nobody for `patience` seconds.

    A minute is enough: a long queue is read for some of it when the broker starts, and a cluster elects leaders sooner.
    """

    def __init__(
        self,
        connection: AbstractRobustConnection,
        publisher: Publisher,
        consumers: Mapping[str, Subscription],
        *,
        patience: float,
    ) -> None:
        self._connection = connection
        self._publisher = publisher
        self._consumers = consumers
        self._patience = patience
        self._silent: list[Queue] = []
        self._since: dict[str, float] = {}
        self._unasked: list[Queue] = []
        self._doubtful: list[Queue] = []
        self._refused = False

    def __contains__(self, queue: Queue) -> bool:
        return queue in self._silent

    def __len__(self) -> int:
        return len(self._silent) + len(self._doubtful)

    def told(self) -> str | None:
        """For readiness: which, and what to do; None if there is none."""
        said = []
        if self._silent:
            whose = ", and this process's broker user may not delete it" if self._refused else ""
            said.append(
                f"Queue {_names(self._silent)} is there, but takes no message and gives none: RabbitMQ has lost its "
                f"leader{whose}. If it stays so, {_remedy(self._silent)}."
            )
        if self._doubtful:
            said.append(
                f"Nothing published to {_names(self._doubtful)} is confirmed, though RabbitMQ answers: look in its "
                f"management UI which of them has no leader, and {_remedy(self._doubtful)}."
            )
        return " ".join(said) or None

    async def look(self, present: Sequence[Queue]) -> list[Queue]:
        """Ask those of these queues that are suspected; those that it deleted are to be put back.

        Raises `BrokerUnavailableError`.
        """
        self._silent, unasked = await self._ask([queue for queue in present if self._suspected(queue)])
        self._doubtful = [queue for queue in unasked if queue in self._unasked and self._unconfirmed(queue)]
        self._unasked = unasked
        now = asyncio.get_running_loop().time()
        for queue in self._silent:
            if queue.name not in self._since:
                log.warning("queue.leaderless", queue=queue.name)
        self._since = {queue.name: self._since.get(queue.name, now) for queue in self._silent}
        lost = [
            queue for queue in self._silent if queue != DEAD_LETTERS and now - self._since[queue.name] >= self._patience
        ]
        if not lost or not await self._a_new_one_works(lost[0]):
            return []
        lost, _ = await self._ask(lost)  # last of all: another process may have put it back meanwhile
        deleted = [queue for queue in lost if await self._deleted(queue)]
        self._silent = [queue for queue in self._silent if queue not in deleted]
        return deleted

    def _suspected(self, queue: Queue) -> bool:
        consumer = self._consumers.get(queue.name)
        return queue in self._silent or self._unconfirmed(queue) or (consumer is not None and consumer.waiting)

    def _unconfirmed(self, queue: Queue) -> bool:
        return any(
            binding.exchange == exchange and binding.takes(key)
            for exchange, key in self._publisher.unconfirmed
            for binding in queue.bindings
        )

    async def _ask(self, suspects: Sequence[Queue]) -> tuple[list[Queue], list[Queue]]:
        """Those that are silent, and those that this process may not ask."""
        answers = list(zip(suspects, await asyncio.gather(*(self._answers(queue) for queue in suspects)), strict=True))
        return [queue for queue, answer in answers if answer is False], [
            queue for queue, answer in answers if answer is None
        ]

    async def _answers(self, queue: Queue) -> bool | None:
        """Whether it registers a consumer; None if this process may not ask."""
        try:
            async with self._channel(ANSWERS_WITHIN) as channel:
                await channel.basic_qos(prefetch_count=1)
                await channel.basic_consume(queue.name, _ignore, arguments={"x-priority": LAST})
        except (TimeoutError, ConnectionInternalError):
            return False  # it says nothing, or the broker that there is no process to ask
        except ChannelAccessRefused:
            return None
        except ChannelNotFoundEntity:
            pass  # missing: that is told elsewhere
        return True

    async def _a_new_one_works(self, like: Queue) -> bool:
        """Whether a queue that is declared now takes a message and gives it: else the broker is in trouble, not one."""
        name = f"{like.name}.trial-{uuid.uuid4().hex}"
        arrived = asyncio.Event()
        try:
            async with self._channel(ANSWERS_WITHIN) as channel:
                await channel.queue_declare(
                    name, durable=True, arguments={"x-queue-type": "quorum", "x-expires": TRIAL_LIVES}
                )
                await channel.basic_consume(name, _telling(arrived), no_ack=True)
                await channel.basic_publish(b"", routing_key=name, mandatory=True)
                await arrived.wait()
                await channel.queue_delete(name)
        except ChannelAccessRefused:
            self._refused = True
        except TROUBLE as error:
            log.warning("queue.leaderless_kept", queue=like.name, error=f"a new one does not work: {in_words(error)}")
            return False
        return not self._refused

    async def _deleted(self, queue: Queue) -> bool:
        try:
            async with self._channel(DELETE_WITHIN) as channel:
                await channel.queue_delete(queue.name)
        except ChannelAccessRefused:
            self._refused = True
            return False
        except TROUBLE as error:
            log.warning("queue.leaderless_kept", queue=queue.name, error=in_words(error))
            return False
        log.warning("queue.leaderless_deleted", queue=queue.name)
        return True

    @asynccontextmanager
    async def _channel(self, within: float) -> AsyncGenerator[AbstractChannel]:
        """A channel on a connection of its own: what waits for a leader holds up everything on its connection.

        Raises `BrokerUnavailableError` when the broker does not take the connection, `TimeoutError` for what follows.
        """
        transport = self._connection.transport
        if transport is None:
            raise BrokerUnavailableError(f"No queue can be asked: RabbitMQ's connection is lost. {CHECK}")
        connection = aiormq.Connection(transport.connection.url, client_properties={"connection_name": NAME})
        try:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    await connection.connect()
            except TROUBLE as error:
                raise BrokerUnavailableError(f"RabbitMQ takes no connection: {in_words(error)}. {CHECK}") from error
            with not_cancelled():
                async with asyncio.timeout(within):
                    yield await connection.channel()
        finally:
            with suppress(*TROUBLE):
                async with asyncio.timeout(BYE):
                    await connection.close()


def _names(queues: Sequence[Queue]) -> str:
    return ", ".join(queue.name for queue in queues)


def _remedy(queues: Sequence[Queue]) -> str:
    lost = f", but the letters in {DEAD_LETTERS.name} are lost" if DEAD_LETTERS in queues else ""
    return (
        "delete it and run `python -m shared.topology`, as an administrator of the vhost: the ledger publishes again "
        f"what was in it{lost}"
    )


async def _ignore(_: DeliveredMessage) -> None:
    """Leave a message unacked: it goes back with the connection."""


def _telling(arrived: asyncio.Event) -> Callable[[DeliveredMessage], Coroutine[Any, Any, None]]:
    async def tell(_: DeliveredMessage) -> None:
        arrived.set()

    return tell
