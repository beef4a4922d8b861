"""A consumer that the broker does not know any more, told from one that has nothing to do."""

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from shared.amqp.subscription import Subscription
from tests.unit.shared.amqp.fake_message import FakeMessage, deliver

if TYPE_CHECKING:
    from aio_pika.abc import AbstractRobustConnection


class FakeConnection:
    """A connection that is there."""

    def __init__(self) -> None:
        self.connected = asyncio.Event()
        self.connected.set()


@pytest.fixture
def subscription() -> Subscription:
    """A subscription that consumes."""
    made = Subscription(cast("AbstractRobustConnection", FakeConnection()), "sender.high", prefetch=2)
    made._wanted = made._registered = True
    return made


def test_a_queue_without_consumers_has_forgotten_ours(subscription: Subscription) -> None:
    """At once."""
    assert subscription.forgotten(ready=0, consumers=0)


def test_messages_that_wait_between_two_looks_while_nothing_is_in_our_hands_tell_it_too(
    subscription: Subscription,
) -> None:
    """Others consume the queue and are busy; one look is not enough: a delivery may be on its way."""
    assert not subscription.forgotten(ready=5, consumers=3)
    assert subscription.forgotten(ready=5, consumers=3)


def test_an_empty_queue_or_a_delivery_meanwhile_clears_it(subscription: Subscription) -> None:
    """Then the next look is a first one again."""
    assert not subscription.forgotten(ready=5, consumers=3)
    assert not subscription.forgotten(ready=0, consumers=3)
    assert not subscription.forgotten(ready=5, consumers=3)
    subscription.deliveries.put_nowait(deliver(FakeMessage(b"", None)))
    subscription.deliveries.task_done()
    assert not subscription.forgotten(ready=5, consumers=3)
    assert subscription.forgotten(ready=5, consumers=3)


def test_who_has_his_hands_full_is_not_forgotten(subscription: Subscription) -> None:
    """Messages wait because he works."""
    subscription.deliveries.put_nowait(deliver(FakeMessage(b"", None)))
    for _ in range(3):
        assert not subscription.forgotten(ready=5, consumers=3)


def test_who_stopped_is_not_wanted_back(subscription: Subscription) -> None:
    """A drain goes on while others look."""
    subscription._wanted = False
    assert not subscription.forgotten(ready=0, consumers=0)
