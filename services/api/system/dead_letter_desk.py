"""The broker's side of dead letters: reading, replaying and discarding them.

A look takes messages one by one without acking and lets the channel go, and the broker has them all again, in their
order. While it lasts nobody else sees them, so looks of this process take turns; another process's look at the same
moment sees the rest. `dead` has a delivery limit that no number of looks reaches.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog
from aio_pika.abc import AbstractRobustConnection
from aiormq.abc import AbstractChannel
from aiormq.exceptions import DeliveryError, PublishError
from pamqp.commands import Basic

from services.api.system.dead_letters import Choice, Letter, read
from shared.amqp.connection import TROUBLE, not_cancelled
from shared.amqp.publisher import PRIORITY
from shared.errors import BrokerUnavailableError
from shared.topology import DEAD_LETTERS

log = structlog.get_logger()

MOST = 1000
"""Letters in one look: a second or so. If there are more, their cause has to be repaired first."""
MOST_BYTES = 16 * 1024 * 1024
"""Bytes of bodies in one look."""
TIMEOUT = 30.0
"""Seconds for a look, whatever it does with what it sees; a broker under an alarm does not answer at all."""


@dataclass(slots=True)
class Look:
    """What was seen: `ready` in the queue before, the letters in their order, whether those were all."""

    ready: int = 0
    letters: list[Letter] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether nothing was left unseen."""
        return len(self.letters) >= self.ready


@dataclass(slots=True)
class Settled:
    """What became of the chosen ones: `done`, or not, by reason."""

    matched: int = 0
    done: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    complete: bool = True


class DeadLetterDesk:
    """Looks through one connection and replays through the other, which publishes."""

    def __init__(self, looking: AbstractRobustConnection, publishing: AbstractRobustConnection) -> None:
        self._looking = looking
        self._publishing = publishing
        self._turn = asyncio.Lock()

    async def look(self) -> Look:
        """See up to `MOST` letters; raises `BrokerUnavailableError`."""
        async with self._taken() as (_, seen, _tags):
            return seen

    async def replay(self, choice: Choice) -> Settled:
        """Put the chosen ones back into their queues: confirmed there first, then acked here.

        A crash between the two leaves a letter in both; receivers know what they have done.
        """
        settled = Settled()
        async with self._taken() as (channel, seen, tags), _channel(self._publishing) as out:
            settled.complete = seen.complete
            for letter, tag in zip(seen.letters, tags, strict=True):
                if choice.takes(letter):
                    settled.matched += 1
                    trouble = await _put_back(out, letter)
                    if trouble is None:
                        await channel.basic_ack(tag)
                        settled.done += 1
                    else:
                        settled.failed[trouble] = settled.failed.get(trouble, 0) + 1
        return settled

    async def discard(self, choice: Choice) -> Settled:
        """Throw the chosen ones away, for good."""
        settled = Settled()
        async with self._taken() as (channel, seen, tags):
            settled.complete = seen.complete
            for letter, tag in zip(seen.letters, tags, strict=True):
                if choice.takes(letter):
                    await channel.basic_ack(tag)
                    log.warning("dead_letter.discarded", queue=letter.queue, reason=letter.reason, kind=letter.kind)
                    settled.matched += 1
                    settled.done += 1
        return settled

    @asynccontextmanager
    async def _taken(self) -> AsyncGenerator[tuple[AbstractChannel, Look, list[int]]]:
        """Hold letters, unacked, while the block runs; what it does not ack returns to the queue."""
        try:
            with not_cancelled():
                async with asyncio.timeout(TIMEOUT), self._turn, _channel(self._looking) as channel:
                    seen = Look()
                    tags: list[int] = []
                    size = 0
                    while len(tags) < min(MOST, seen.ready or 1) and size < MOST_BYTES:
                        got = await channel.basic_get(DEAD_LETTERS.name)
                        if not isinstance(got.delivery, Basic.GetOk):
                            break
                        if not tags:  # the queue itself is not asked: that may be refused (see `shared.amqp.depth`)
                            seen.ready = 1 + int(got.delivery.message_count or 0)
                        seen.letters.append(read(got.body, got.header.properties, got.delivery.routing_key or ""))
                        tags.append(int(got.delivery.delivery_tag or 0))
                        size += len(got.body)
                    yield channel, seen, tags
        except TROUBLE as error:
            raise BrokerUnavailableError(
                f"The dead letters cannot be reached: {type(error).__name__}: {error}"
            ) from error


@asynccontextmanager
async def _channel(connection: AbstractRobustConnection) -> AsyncGenerator[AbstractChannel]:
    """A channel that lives as long as the block and is never opened again behind our back."""
    transport = connection.transport
    if transport is None:
        raise BrokerUnavailableError("The broker cannot be asked: the connection is being opened again.")
    channel = await transport.connection.channel(publisher_confirms=True, on_return_raises=True)
    try:
        yield channel
    finally:
        await channel.close()


async def _put_back(channel: AbstractChannel, letter: Letter) -> str | None:
    """Publish a letter to the queue it came from, as a new message; returns why not."""
    if not letter.replayable:
        return f"its queue is {letter.queue}, which is none of ours"
    properties = Basic.Properties(
        content_type="application/json",
        delivery_mode=2,
        priority=PRIORITY,
        message_id=uuid.uuid4().hex,
        message_type=letter.kind,
        correlation_id=letter.correlation,
        headers=dict(letter.headers),
    )
    try:
        await channel.basic_publish(letter.body, routing_key=letter.queue, properties=properties, mandatory=True)
    except (PublishError, DeliveryError):
        return f"the queue {letter.queue} does not take it: it is full or gone"
    return None
