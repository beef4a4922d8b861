"""Waiting for what must become true, without a sleep that guesses how long."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

_POLL = 0.01


@overload
async def eventually(condition: Callable[[], Awaitable[T]], within: float = 5.0) -> T: ...


@overload
async def eventually(condition: Callable[[], T], within: float = 5.0) -> T: ...


async def eventually(condition: Callable[[], Any], within: float = 5.0) -> Any:
    """Call `condition`, plain or async, until it returns something true and raises no AssertionError.

    Returns that value. After `within` seconds the last AssertionError is raised, or one that shows the last value.
    Any other error is a bug and is raised at once.
    """
    deadline = time.monotonic() + within
    while True:
        failure: AssertionError
        try:
            result = condition()
            value = await result if inspect.isawaitable(result) else result
            if value:
                return value
            failure = AssertionError(f"{_name(condition)} was still {value!r} after {within:g} s")
        except AssertionError as error:
            failure = error
        if time.monotonic() > deadline:
            raise failure
        await asyncio.sleep(_POLL)


def _name(condition: Callable[..., object]) -> str:
    return getattr(condition, "__qualname__", repr(condition))
