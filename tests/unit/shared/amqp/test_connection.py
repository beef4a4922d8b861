"""What aiormq says of a channel that is closed, as an error that can be told from a fault of ours."""

import asyncio

import pytest

from shared.amqp.connection import not_cancelled


async def test_a_cancellation_that_nobody_asked_for_is_an_error() -> None:
    """It would end a worker without a word."""
    with pytest.raises(ConnectionError), not_cancelled():
        raise asyncio.CancelledError


async def test_a_cancellation_that_somebody_asked_for_stays_one() -> None:
    """A stop must not become another attempt."""

    async def waits() -> None:
        with not_cancelled():
            await asyncio.Event().wait()

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_without_a_class_is_that_the_connection_is_closed() -> None:
    """What aiormq gives to whoever begins something on a connection that is being closed."""
    with pytest.raises(ConnectionError), not_cancelled():
        raise Exception  # noqa: TRY002 - aiormq's own


@pytest.mark.parametrize("error", [KeyError("ours"), ValueError("ours"), TimeoutError()])
async def test_any_other_error_stays_what_it_is(error: Exception) -> None:
    """A fault of ours is no trouble of the broker's."""
    with pytest.raises(type(error)), not_cancelled():
        raise error
