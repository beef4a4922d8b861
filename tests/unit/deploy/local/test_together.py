"""Blocking jobs side by side."""

import asyncio
import threading

import pytest

from deploy.local.together import together


async def test_jobs_run_at_the_same_time() -> None:
    """Each waits for the other: one after the other they would never end."""
    both = threading.Barrier(2, timeout=5)
    await together(both.wait, both.wait)


async def test_the_first_error_is_raised_when_all_have_ended() -> None:
    """Nothing half done is left behind."""
    done: list[str] = []

    def fail() -> None:
        raise OSError("no port")

    with pytest.raises(OSError, match="no port"):
        await together(fail, lambda: done.append("other"))
    assert done == ["other"]


async def test_a_cancellation_waits_for_what_has_begun() -> None:
    """A server that is starting must be known before it can be stopped."""
    begun, go_on, done = threading.Event(), threading.Event(), list[str]()

    def job() -> None:
        begun.set()
        go_on.wait(5)
        done.append("started")

    task = asyncio.create_task(together(job))
    await asyncio.to_thread(begun.wait, 5)
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["started"]
