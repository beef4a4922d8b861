"""Connecting: bounded at the start, with a sentence that helps."""

import asyncio

import aio_pika
import pytest
from yarl import URL

from deploy.local.ports import free_port
from shared.amqp import connection as connecting
from shared.amqp.connection import connect
from shared.errors import BrokerUnavailableError
from tests.support.eventually import eventually
from tests.support.forwarder import Forwarder


async def test_a_broker_that_is_not_there_is_given_up_with_what_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Address and variable are named, the password is not."""
    monkeypatch.setattr(connecting, "RECONNECT_INTERVAL", 0.05)
    url = f"amqp://carillon:secret@127.0.0.1:{free_port()}/vhost"
    with pytest.raises(BrokerUnavailableError) as error:
        await connect(url, name="test", timeout=0.3)
    text = str(error.value)
    assert "did not accept a connection at amqp://carillon@127.0.0.1" in text
    assert "CARILLON_AMQP_URL" in text
    assert "secret" not in text


@pytest.mark.parametrize("wrong", ["password", "vhost"])
async def test_a_wrong_password_or_vhost_is_given_up_too(
    amqp_url: str, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It might be made right while we wait, so it is waited for as well."""
    monkeypatch.setattr(connecting, "RECONNECT_INTERVAL", 0.05)
    url = URL(amqp_url)
    url = url.with_password("wrong") if wrong == "password" else url.with_path("/nowhere")
    with pytest.raises(BrokerUnavailableError, match="CARILLON_AMQP_URL is right"):
        await connect(str(url), name="test", timeout=0.3)


async def test_a_broker_that_hangs_up_as_it_is_called_is_waited_for(
    amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is just going down: aiormq says it with `StopAsyncIteration` when it comes before the first read."""
    monkeypatch.setattr(connecting, "RECONNECT_INTERVAL", 0.01)
    really, calls = aio_pika.RobustConnection.connect, 0

    async def hung_up_twice(connection: aio_pika.RobustConnection, timeout: float) -> None:  # noqa: ASYNC109 - aio-pika's
        nonlocal calls
        calls += 1
        if calls <= 2:
            raise StopAsyncIteration
        await really(connection, timeout)

    monkeypatch.setattr(aio_pika.RobustConnection, "connect", hung_up_twice)
    async with await connect(amqp_url, name="test", timeout=5):
        assert calls == 3


async def test_a_broker_that_is_silent_is_given_up_too(
    amqp_url: str, way: Forwarder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It accepts the connection and says nothing."""
    monkeypatch.setattr(connecting, "RECONNECT_INTERVAL", 0.05)
    way.hold()
    with pytest.raises(BrokerUnavailableError, match="CARILLON_AMQP_URL is right"):
        await connect(str(URL(amqp_url).with_port(way.port)), name="test", timeout=0.3)


async def test_who_is_asked_to_end_while_the_broker_is_silent_leaves_nothing_that_goes_on_connecting(
    amqp_url: str, way: Forwarder
) -> None:
    """A task of aio-pika's that swallows its cancellation would keep the process alive for ever."""
    before = asyncio.all_tasks()
    way.hold()
    connecting_now = asyncio.create_task(connect(str(URL(amqp_url).with_port(way.port)), name="test", timeout=60))
    await eventually(lambda: way.callers)
    connecting_now.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting_now
    await eventually(lambda: not [task for task in asyncio.all_tasks() - before if "Connection" in repr(task)])
