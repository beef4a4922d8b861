"""A delivered message that is not yet acked."""

import asyncio
import contextlib
from typing import TYPE_CHECKING, cast

import aio_pika
import pytest

from shared.amqp.subscription import Subscription
from shared.errors import MalformedMessageError
from shared.topology import DELIVERY_LIMIT
from tests.unit.shared.amqp.fake_message import FakeMessage, deliver

if TYPE_CHECKING:
    from aio_pika.abc import AbstractRobustConnection

    from shared.amqp.consumer import Consumer


@pytest.mark.parametrize("multiple", [True, False])
async def test_an_ack_covers_what_it_is_told_to(multiple: bool) -> None:
    """One, or all before it on its channel."""
    message = FakeMessage(b"", None)
    await deliver(message).ack(multiple=multiple)
    assert message.done == [("ack", multiple)]


@pytest.mark.parametrize(
    "fault", [aio_pika.exceptions.ChannelInvalidStateError("closed"), RuntimeError("closed"), OSError("cut")]
)
async def test_an_ack_on_a_dead_channel_goes_nowhere(fault: Exception) -> None:
    """The broker has the message again already; the handler was idempotent."""
    message = FakeMessage(b"", None, fault)
    await deliver(message).ack()
    assert message.done == []


def test_a_delivery_is_stale_once_its_channel_is_gone() -> None:
    """Nobody should start on it."""
    message = FakeMessage(b"", None)
    delivery = deliver(message)
    assert not delivery.stale
    channel = delivery.channel
    message.is_closed = True
    assert delivery.stale
    assert delivery.channel is channel


@pytest.mark.parametrize(("acquired", "refused"), [(None, False), (DELIVERY_LIMIT, False), (DELIVERY_LIMIT + 1, True)])
def test_a_delivery_that_comes_too_often_is_refused(acquired: int | None, refused: bool) -> None:
    """RabbitMQ 4.3 delivers it without limit when it takes the message back itself."""
    message = FakeMessage(b"", None)
    if acquired is not None:
        message.headers["x-acquired-count"] = acquired
    with pytest.raises(MalformedMessageError, match="51 times") if refused else contextlib.nullcontext():
        deliver(message).check_returns()


class FakeConnection:
    """Is there."""

    def __init__(self) -> None:
        self.connected = asyncio.Event()
        self.connected.set()


class FakeConsumer:
    """Answers a cancel while its last delivery is still in a task of aiormq."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._tasks: set[asyncio.Task[None]] = set()

    async def cancel(self) -> None:
        """Answer at once."""
        self._tasks.add(asyncio.create_task(self._deliver()))

    async def _deliver(self) -> None:
        message = cast("aio_pika.abc.AbstractIncomingMessage", FakeMessage(b"", None))
        self._tasks.add(asyncio.create_task(self._subscription._take(message)))


async def test_a_delivery_that_came_before_the_end_of_the_consumer_is_ours() -> None:
    """A drain that looked too early would leave it to the broker, which would deliver it again."""
    subscription = Subscription(cast("AbstractRobustConnection", FakeConnection()), "a queue", prefetch=1)
    subscription._consumer = cast("Consumer", FakeConsumer(subscription))
    subscription._registered = True
    await subscription.stop_taking()
    assert subscription.deliveries.qsize() == 1
