"""Connecting to RabbitMQ: for a limited time at start, without limit afterwards, to any node that the URL names.

`patiently` alone waits for a broker that is down or does not answer: at each step of a start, and for consumers.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import TypeVar

import aio_pika
import aiormq
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelLockedResource,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)

from shared.amqp.dialling import BrokerConnection
from shared.amqp.nodes import Nodes
from shared.errors import BrokerRefusedError, BrokerUnavailableError

log = structlog.get_logger()
T = TypeVar("T")

RECONNECT_INTERVAL = 1.0
"""Seconds between attempts after a lost connection: a broker restart takes seconds, a storm of reconnects hurts it."""

CONNECT_TIMEOUT = 10.0
"""Seconds for one attempt to connect: a broker under load needs a few, one that does not answer is tried again."""

CLOSE_TIMEOUT = 5.0
"""Seconds for each call that closes something at a stop: a broker that does not answer is waited for no longer."""

TROUBLE = (aio_pika.exceptions.AMQPError, OSError, asyncio.TimeoutError, RuntimeError, StopAsyncIteration)
"""What a broken connection raises. For some of it aiormq raises RuntimeError, and StopAsyncIteration when the broker
goes away during the handshake."""

REFUSALS = (ChannelAccessRefused, ChannelLockedResource, ChannelNotFoundEntity, ChannelPreconditionFailed)
"""What a broker that is there answers about an exchange or a queue."""

CHECK = "Check that RabbitMQ runs and that CARILLON_AMQP_URL is right (user, password, vhost)."
DECLARE = "Run `python -m shared.topology` against this vhost."


@contextlib.contextmanager
def not_cancelled() -> Generator[None]:
    """Turn what aiormq says of a closed channel into a `ConnectionError`: it would end a worker or a loop.

    It cancels what waits on the channel, though nobody requested that. What is begun on a connection that is being
    closed gets a bare `Exception`, which no list of errors can hold.
    """
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionError("the channel was closed meanwhile") from None
    except Exception as error:
        if type(error) is not Exception:
            raise
        raise ConnectionError("the connection was closed meanwhile") from error


async def close(what: AbstractChannel | AbstractConnection | aiormq.abc.AbstractChannel) -> None:
    """Close a channel or a connection. A broker that does not receive the close notices that the socket is gone."""
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            with not_cancelled():
                await what.close()
    except TROUBLE as error:
        log.warning("broker.close_lost", what=type(what).__name__, error=in_words(error))


@contextlib.asynccontextmanager
async def connected(url: str | Nodes, *, name: str, timeout: float) -> AsyncGenerator[BrokerConnection]:  # noqa: ASYNC109 - see connect
    """Open a connection as `connect` does, and close it."""
    connection = await connect(url, name=name, timeout=timeout)
    try:
        yield connection
    finally:
        await close(connection)


async def connect(url: str | Nodes, *, name: str, timeout: float) -> BrokerConnection:  # noqa: ASYNC109 - bounds many attempts
    """Open a connection named `name` (operators see it), trying for `timeout` seconds.

    Connections of one process share their `Nodes`. Raises `BrokerUnavailableError` with what to check when the broker
    did not answer in that time.
    """
    nodes = Nodes.of(url) if isinstance(url, str) else url
    attempt = max(1.0, min(CONNECT_TIMEOUT, timeout))
    return await patiently(lambda: _connect(nodes, name, attempt), within=timeout)


async def patiently(step: Callable[[], Awaitable[T]], *, within: float, every: float | None = None) -> T:
    """Run a step that needs the broker; while it is down or does not answer, retry for up to `within` seconds.

    The pause between attempts is `every` seconds. Raises the `BrokerUnavailableError` of the last attempt, or at once
    the `BrokerRefusedError` of a broker that answers.
    """
    pause = RECONNECT_INTERVAL if every is None else every
    task = asyncio.current_task()
    deadline = time.monotonic() + within
    while True:
        try:
            return await step()
        except BrokerRefusedError:
            raise
        except BrokerUnavailableError as error:
            if time.monotonic() + pause > deadline:
                raise BrokerUnavailableError(f"{error} Given up after {within:.0f} s.") from error
            log.warning("broker.waiting", error=str(error))
        if task is not None and task.cancelling():
            raise asyncio.CancelledError  # aiormq swallows one that comes while it closes a channel
        await asyncio.sleep(pause)


async def _connect(nodes: Nodes, name: str, timeout: float) -> BrokerConnection:  # noqa: ASYNC109 - a socket's too
    connection = BrokerConnection(nodes, name=name, reconnect_interval=RECONNECT_INTERVAL)
    try:
        # The outer limit covers a connection that is lost as soon as it is made: aio-pika waits for the next one.
        with not_cancelled():
            async with asyncio.timeout(timeout + 1):
                await connection.connect(timeout)
    except BaseException as error:
        # Whatever it was: aio-pika's own task would go on connecting, even through the end of the event loop.
        await close(connection)
        connection.gave_up()
        if isinstance(error, TROUBLE):
            raise BrokerUnavailableError(
                f"RabbitMQ did not accept a connection at {nodes.url}: {in_words(error)}. {CHECK}"
            ) from error
        raise
    return connection


def in_words(error: BaseException) -> str:
    """An error's name and text: many of aiormq's errors have no text."""
    return f"{type(error).__name__}: {error}"
