"""Connecting to RabbitMQ: bounded at start, for ever afterwards."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Generator

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractRobustConnection
from yarl import URL

from shared.errors import BrokerUnavailableError

log = structlog.get_logger()

RECONNECT_INTERVAL = 1.0
"""Seconds between attempts after a lost connection: a broker restart takes seconds, a storm of reconnects hurts it."""

CLOSE_TIMEOUT = 5.0
"""Seconds for each broker call that ends something, at a stop: a broker that is away or silent is not waited for."""

TROUBLE = (aio_pika.exceptions.AMQPError, OSError, asyncio.TimeoutError, RuntimeError, StopAsyncIteration)
"""What a broken connection raises; aiormq says some of it with RuntimeError, and a broker that goes away in the middle
of the handshake with StopAsyncIteration."""


@contextlib.contextmanager
def not_cancelled() -> Generator[None]:
    """Turn a cancellation that nobody asked for into trouble: aiormq ends so what waits on a channel that is closed.

    Left as it is, it would end a worker or a loop without a word.
    """
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionError("the channel was closed meanwhile") from None


async def close(what: AbstractChannel | AbstractConnection) -> None:
    """Close a channel or a connection. What the broker does not hear it finds out when the socket is gone."""
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            with not_cancelled():
                await what.close()
    except TROUBLE as error:
        log.warning("broker.close_lost", what=type(what).__name__, error=f"{type(error).__name__}: {error}")


@contextlib.asynccontextmanager
async def connected(url: str, *, name: str, timeout: float) -> AsyncGenerator[AbstractRobustConnection]:  # noqa: ASYNC109 - see connect
    """Open a connection as `connect` does, and close it."""
    connection = await connect(url, name=name, timeout=timeout)
    try:
        yield connection
    finally:
        await close(connection)


async def connect(url: str, *, name: str, timeout: float) -> AbstractRobustConnection:  # noqa: ASYNC109 - bounds many attempts
    """Open a connection named `name` (operators see it), trying for `timeout` seconds.

    Raises `BrokerUnavailableError` with what to check when the broker did not answer in that time.
    """
    deadline = time.monotonic() + timeout
    where = _without_password(url)
    while True:
        try:
            return await aio_pika.connect_robust(
                url,
                timeout=max(1.0, min(10.0, deadline - time.monotonic())),
                reconnect_interval=RECONNECT_INTERVAL,
                client_properties={"connection_name": name},
            )
        except TROUBLE as error:
            if time.monotonic() + RECONNECT_INTERVAL > deadline:
                raise BrokerUnavailableError(
                    f"RabbitMQ did not accept a connection at {where} within {timeout:.0f} s: "
                    f"{type(error).__name__}: {error}. Check that it runs and that CARILLON_AMQP_URL is right "
                    f"(user, password, vhost)."
                ) from error
            log.warning("broker.waiting", at=where, error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(RECONNECT_INTERVAL)


def _without_password(url: str) -> str:
    return str(URL(url).with_password(None))
