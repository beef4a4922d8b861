"""Ending tasks for certain."""

import asyncio
from collections.abc import Sequence
from typing import Any

CANCEL_AGAIN = 1.0
"""Seconds until a task that still runs is cancelled again: aiormq swallows a cancellation that comes while it closes a
channel, and a loop that waits for ever afterwards would keep its process."""


async def end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel tasks until all have ended, also those that swallow a cancellation; their results are ignored."""
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=CANCEL_AGAIN)
    await asyncio.gather(*tasks, return_exceptions=True)
