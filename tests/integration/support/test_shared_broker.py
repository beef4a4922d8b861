"""The broker that all processes of a run share, as its workers get it."""

import contextlib
from collections.abc import Iterator

import pytest

from deploy.local.broker import Broker
from deploy.local.errors import NoBrokerError
from tests.support import shared_broker
from tests.support.shared_broker import SharedBroker, ask


@pytest.fixture
def shared() -> Iterator[SharedBroker]:
    """The directing side."""
    directing = SharedBroker()
    yield directing
    directing.close()


def test_who_asks_gets_a_broker_that_works_and_is_not_his_to_stop(
    shared: SharedBroker, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is started once."""
    started = 0

    @contextlib.contextmanager
    def running() -> Iterator[Broker]:
        nonlocal started
        started += 1
        yield broker

    monkeypatch.setattr(shared_broker, "running_broker", running)
    first, second = (ask(shared.address()) for _ in range(2))
    assert (first.url, second.url, started) == (broker.url, broker.url, 1)
    assert first.manage("GET", "/whoami")
    assert first.control is None or "carillon" in first.control("list_users")
    with pytest.raises(RuntimeError, match="other tests"):
        first.stop()


def test_who_asks_is_told_why_there_is_none(shared: SharedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that asks, in the same words."""

    @contextlib.contextmanager
    def none() -> Iterator[Broker]:
        raise NoBrokerError("no RabbitMQ anywhere")
        yield

    monkeypatch.setattr(shared_broker, "running_broker", none)
    for _ in range(2):
        with pytest.raises(NoBrokerError, match="no RabbitMQ anywhere"):
            ask(shared.address())
