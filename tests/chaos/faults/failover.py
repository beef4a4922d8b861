"""The primary lost, its standby promoted in its place: with every commit, or without the last ones.

Undone it is by a new standby, where the old primary was.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from random import Random

from tests.chaos.faults import Act, Aimed, Fault
from tests.chaos.stage import Stage

BEHIND = (0.0, 1.0)
"""Seconds that an asynchronous standby may be behind."""


def failed_over(behind: float = 0.0) -> Act:
    """Kill the primary and promote the standby, which got nothing for the last seconds; make another."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncGenerator[str]:
        pair = stage.stack.pair
        assert pair is not None  # without one the fault is not dealt
        port = pair.primary.port
        if behind:
            await pair.lag()
            await asyncio.sleep(behind)
        await pair.fail_over()
        stage.stack.follow_the_primary()
        try:
            yield f"port {pair.primary.port} is the primary"
        finally:
            await asyncio.to_thread(pair.follow, port)
            stage.stack.follow_the_primary()

    return act


def _synchronous(rng: Random) -> Aimed:
    return Aimed("synchronous standby", frozenset({"postgres"}), rng.uniform(1.0, 4.0), failed_over())


def _asynchronous(rng: Random) -> Aimed:
    behind = rng.choice(BEHIND)
    target = f"asynchronous standby, {behind:g} s behind"
    return Aimed(target, frozenset({"postgres"}), rng.uniform(1.0, 4.0), failed_over(behind))


SYNCHRONOUS = Fault("PostgreSQL failover", _synchronous)
ASYNCHRONOUS = Fault("failover that loses commits", _asynchronous)
