"""Repair: topology that was deleted while services run is put back, and what cannot be is said in readiness.

Every process checks what it uses itself: the exchanges that it publishes to, the queues behind them, the queue that it
consumes. A check declares them passively (`inspection`), and leaves alone what is there. A binding cannot be checked
so: that it is missing shows in the first message that is returned, and such a message causes a check at once.

| the broker user | then |
|---|---|
| may declare (`./run`, a single user) | what is missing is declared and bound, consumers and publishes come back |
| may not (the restricted users of `access`) | readiness names it, with the command that puts it back |

A queue that exists and does not work (`leaderless`) is deleted first, and then declared like one that is missing. A
queue that cannot be declared, or does not work, is not used any more: it would harm the other queues of its connection.
What is there and was declared otherwise (`comparing`) stays as it is, and readiness names it to who may declare. A
consumer that the broker has forgotten (its queue was deleted and made again) is registered anew. What was in a deleted
queue is lost there and nowhere else: the ledger's sweeps publish it again.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

import structlog
from aio_pika import ExchangeType
from aiormq.exceptions import ChannelAccessRefused

from shared.amqp.connection import CHECK, TROUBLE, in_words, not_cancelled, patiently
from shared.amqp.depth import RENEW, Depth
from shared.amqp.dialling import BrokerConnection
from shared.amqp.publisher import Publisher
from shared.amqp.subscription import Subscription
from shared.errors import BrokerUnavailableError
from shared.observability import metrics
from shared.topology import EXCHANGES, Queue
from shared.topology.comparing import Comparing
from shared.topology.inspection import Inspector, Seen
from shared.topology.leaderless import Leaderless

log = structlog.get_logger()

TIMEOUT = 10.0
"""Seconds for a look and its repair: the broker answers in milliseconds or is in trouble."""
TOPIC = ExchangeType.TOPIC.value
BREATH = 1.0
"""Seconds between two looks at the least. Messages that come back by the hundred ask for one; and a queue is put back
only if two looks miss it: RabbitMQ 3.10 does not tell its consumers that it is gone when it is declared again within
milliseconds, and gives them messages of the new one that never arrive."""

UNKNOWN = Depth(0, 1)
"""Of a queue that we may not look at: nothing in it tells of a consumer that is forgotten."""


class Repair:
    """Looks every `every` seconds, and at once when a message comes back or an exchange is gone.

    A queue that is there and serves nobody is given up after `patience` seconds.
    """

    def __init__(
        self,
        connection: BrokerConnection,
        publisher: Publisher,
        *,
        exchanges: Sequence[str],
        queues: Sequence[Queue],
        consumers: Sequence[Subscription] = (),
        every: float,
        patience: float = 60.0,
    ) -> None:
        self._inspector = Inspector(connection)
        self._comparing = Comparing(self._inspector)
        self._seen = Seen()
        self._publisher = publisher
        self._exchanges = [name for name in EXCHANGES if name in exchanges]
        self._queues = tuple(queues)
        self._consumers = {consumer.name: consumer for consumer in consumers}
        self._leaderless = Leaderless(connection, publisher, self._consumers, patience=patience)
        self._every = every
        self._missing: list[str] = []
        self._hidden: set[str] = set()
        self._refused = False
        self._seen_whole = False
        self._empty = False
        self._bell = asyncio.Event()
        publisher.on_lost_way = self._bell.set
        metrics.TOPOLOGY_MISSING.set_function(lambda: len(self._lacking()) + len(self._leaderless))

    async def run(self) -> None:
        """Check and repair until cancelled; waits for a broker that is down."""
        task = asyncio.current_task()
        # aiormq swallows a cancellation that comes while it closes a channel; this loop must not outlive its service.
        while task is None or not task.cancelling():
            try:
                async with asyncio.timeout(self._every):
                    await self._bell.wait()
            except TimeoutError:
                pass
            self._bell.clear()
            try:
                await self.round()
                await self._compare()
            except BrokerUnavailableError as error:
                log.warning("topology.not_looked_at", error=str(error))
            await asyncio.sleep(BREATH)

    async def whole(self, within: float) -> None:
        """At the start: wait until nothing is missing; raises `BrokerUnavailableError` after `within` seconds.

        A vhost that holds nothing of ours may be the wrong one, and is left to the bootstrap.
        """
        await patiently(self._be_whole, within=within, every=BREATH)

    async def _be_whole(self) -> None:
        await self.round()
        if (lacking := self._told()) is not None:
            raise BrokerUnavailableError(lacking)

    async def check(self) -> str | None:
        """For readiness: what is missing or differs and what to do, or None."""
        return " ".join(filter(None, (self._told(), self._comparing.told()))) or None

    async def notes(self) -> Mapping[str, str]:
        """For readiness, where it hinders no work: what may not be looked at."""
        told = self._inspector.told()
        return {"topology": told} if told else {}

    async def round(self) -> None:
        """Look once, and put back what is missing; raises `BrokerUnavailableError`."""
        async with _in_time(self._bell):
            seen = await self._look()
        if await self._leaderless.look([queue for queue in self._queues if not seen.lacks(queue)]):
            async with _in_time(self._bell):
                seen = await self._look()  # that took its time
        try:
            async with _in_time(self._bell):
                await self._let_go([queue for queue in self._queues if queue in self._leaderless])
                await self._consume_again(seen)
                await self._mend(seen.missing, [queue for queue in self._queues if seen.lacks(queue)])
        except ChannelAccessRefused as error:
            self._refused = True
            log.warning("topology.may_not_put_back", error=str(error))

    async def _compare(self) -> None:
        """Not before all is there: a start waits for no comparison, and what is being put back is as it should be."""
        if self._missing:
            return
        seen = self._seen
        exchanges = [name for name in self._exchanges if name not in seen.missing and name not in seen.hidden]
        queues = [queue for queue in self._queues if queue.name in seen.there and queue not in self._leaderless]
        async with _in_time(self._bell):
            await self._comparing.look(exchanges, queues)

    async def _mend(self, exchanges: Sequence[str], queues: Sequence[Queue]) -> None:
        before = self._missing
        self._missing = [*(f"exchange {name}" for name in exchanges), *(f"queue {queue.name}" for queue in queues)]
        self._empty = len(self._missing) == len(self._exchanges) + len(self._queues)
        self._seen_whole = self._seen_whole or not self._missing
        returned = self._publisher.returned
        if self._refused:
            await self._let_go(queues)
        if self._refused or not (self._missing or returned) or (self._empty and not self._seen_whole):
            return
        if self._missing != before:
            log.warning("topology.missing", missing=self._missing)
            self._bell.set()  # put back by the next look: see BREATH
            return
        await self._put_back(exchanges, queues)
        log.warning("topology.put_back", things=self._missing, returned=[" ".join(way) for way in returned])
        metrics.TOPOLOGY_PUT_BACK.inc(max(1, len(self._missing)))
        self._missing, self._empty = [], False
        self._publisher.forget_failures()
        self._bell.set()  # who consumes what was put back?

    async def _look(self) -> Seen:
        """What may not be looked at is missing as soon as its use says so."""
        seen = await self._inspector.look(self._exchanges, self._queues)
        absent = [name for name in self._exchanges if name in seen.hidden and name in self._publisher.absent]
        seen.missing += absent
        seen.hidden.difference_update(absent, (name for name, user in self._consumers.items() if user.absent))
        self._hidden, self._seen = seen.hidden, seen
        return seen

    async def _consume_again(self, seen: Seen) -> None:
        """Register our consumers anew where the broker does not know them any more."""
        for queue in self._queues:
            consumer, depth = self._consumers.get(queue.name), seen.there.get(queue.name, UNKNOWN)
            if consumer is None or seen.lacks(queue) or queue in self._leaderless:
                continue
            if consumer.forgotten(ready=depth.ready, consumers=depth.consumers):
                log.warning("consumer.forgotten", queue=queue.name, ready=depth.ready, consumers=depth.consumers)
                try:
                    await consumer.start_again()
                except BrokerUnavailableError as error:  # the others must not wait for this one
                    log.warning("consumer.waiting", queue=queue.name, error=str(error))

    async def _let_go(self, queues: Sequence[Queue]) -> None:
        for queue in queues:
            consumer = self._consumers.get(queue.name)
            if consumer is not None:
                await consumer.let_go()

    async def _put_back(self, exchanges: Sequence[str], queues: Sequence[Queue]) -> None:
        """Declare what is missing and bind every queue: to bind again changes nothing."""
        bound = {binding.exchange for queue in queues for binding in queue.bindings}
        channel = await self._inspector.channel()
        try:
            for name in {**dict.fromkeys(exchanges), **dict.fromkeys(bound)}:
                await channel.exchange_declare(name, exchange_type=TOPIC, durable=True)
            for queue in queues:
                await channel.queue_declare(queue.name, durable=True, arguments={**queue.arguments})
            for queue in self._queues:
                for binding in queue.bindings:
                    await channel.queue_bind(queue.name, binding.exchange, binding.pattern)
        finally:
            await channel.close()

    def _lacking(self) -> list[str]:
        return [*self._missing, *self._unbound()]

    def _told(self) -> str | None:
        return " ".join(filter(None, (self._told_missing(), self._told_forbidden(), self._leaderless.told()))) or None

    def _told_forbidden(self) -> str | None:
        """What the broker user needs for its work and may not do."""
        forbidden = [
            *(f"publish to {name}" for name in sorted(self._publisher.forbidden)),
            *(f"consume {name}" for name, consumer in self._consumers.items() if consumer.forbidden),
        ]
        return f"This process's broker user may not {' or '.join(forbidden)}. {RENEW}." if forbidden else None

    def _told_missing(self) -> str | None:
        missing = self._lacking()
        if not missing:
            return None
        what = "The vhost holds nothing of ours" if self._empty else f"The vhost lacks {', '.join(missing)}"
        if self._refused:
            return (
                f"{what}, and this process's broker user may not put it back: run `python -m shared.topology` as an "
                "administrator of the vhost."
            )
        return f"{what}. If it stays so, run `python -m shared.topology` as an administrator of the vhost."

    def _unbound(self) -> list[str]:
        """The bindings that messages came back for want of."""
        return [
            f"{f'queue {queue.name}, or the ' if queue.name in self._hidden else ''}"
            f"binding of {queue.name} to {exchange} by {binding.pattern}"
            for exchange, key in self._publisher.returned
            for queue in self._queues
            for binding in queue.bindings
            if binding.exchange == exchange and binding.takes(key) and f"queue {queue.name}" not in self._missing
        ]


@asynccontextmanager
async def _in_time(again: asyncio.Event) -> AsyncGenerator[None]:
    """Bound a part of a look; raises `BrokerUnavailableError` for what goes wrong, and asks for another look."""
    try:
        with not_cancelled():
            async with asyncio.timeout(TIMEOUT):
                yield
    except ChannelAccessRefused:
        raise
    except TROUBLE as error:
        again.set()
        raise BrokerUnavailableError(f"The topology cannot be looked after: {in_words(error)}. {CHECK}") from error
