"""Blocking jobs side by side."""

import asyncio
from collections.abc import Callable


async def together(*jobs: Callable[[], object]) -> None:
    """Run each job in a thread of its own; when all have ended, raise the first error.

    A cancellation, too, is passed on only then: a job half done must be known before it can be undone.
    """
    tasks = [asyncio.create_task(asyncio.to_thread(job)) for job in jobs]
    cancellation: asyncio.CancelledError | None = None
    while not all(task.done() for task in tasks):
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError as request:
            cancellation = request
    errors = [error for task in tasks if (error := task.exception()) is not None]
    if cancellation is not None:
        raise cancellation
    if errors:
        raise errors[0]
