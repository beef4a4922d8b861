"""Waiting for what must become true."""

from itertools import count

import pytest

from tests.support.eventually import eventually


async def test_it_returns_the_first_true_value() -> None:
    """False values are waited through."""
    numbers = count()
    assert await eventually(lambda: next(numbers)) == 1


async def test_it_waits_through_failed_assertions_of_async_conditions() -> None:
    """A condition may assert, and may be a coroutine."""
    numbers = count()

    async def third() -> str:
        assert next(numbers) == 2
        return "done"

    assert await eventually(third) == "done"


async def test_it_raises_the_last_assertion_when_time_is_up() -> None:
    """The failure that is shown is the condition's own."""

    def never() -> bool:
        raise AssertionError("still one message in the queue")

    with pytest.raises(AssertionError, match="still one message"):
        await eventually(never, within=0.02)


async def test_it_shows_the_last_value_when_time_is_up() -> None:
    """A condition that only returns something false is named with it."""
    with pytest.raises(AssertionError, match="was still 0"):
        await eventually(lambda: 0, within=0.02)


async def test_it_raises_other_errors_at_once() -> None:
    """A bug in the condition is not waited for."""
    calls = count()

    def broken() -> bool:
        next(calls)
        raise KeyError("campaign")

    with pytest.raises(KeyError):
        await eventually(broken)
    assert next(calls) == 1
