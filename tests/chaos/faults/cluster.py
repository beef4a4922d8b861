"""Three nodes: one killed, cut off, slowed down or with a full disk, all restarted in turn.

A fault is over when the nodes are whole again, so that no two of them are away at once: with two lost nobody promises
that anything moves.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from random import Random

from tests.chaos.faults import Act, Aimed, Fault
from tests.chaos.stage import Stage
from tests.support.cluster import Cluster
from tests.support.cluster.network import NODES

ALL = "all nodes"


def _of(stage: Stage) -> Cluster:
    assert stage.cluster is not None  # these kinds are drawn for a cluster only
    return stage.cluster


async def _whole(stage: Stage) -> str:
    """Wait until the nodes have found each other again; how long that took."""
    began = time.monotonic()
    await asyncio.to_thread(_of(stage).wait_whole)
    stage.broker_since = time.monotonic()
    return f"whole again after {time.monotonic() - began:.1f} s"


def killed(number: int) -> Act:
    """`kill -9` a node; then it is started again on its data."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncGenerator[str]:
        cluster = _of(stage)
        await asyncio.to_thread(cluster.kill, number)
        try:
            yield ""
        finally:
            await asyncio.to_thread(cluster.start_again, number)
            await _whole(stage)

    return act


def parted(number: int, *, from_clients: bool) -> Act:
    """Cut a node off from the two others; clients that it has may still reach it, or not even they."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncGenerator[str]:
        cluster = _of(stage)
        await asyncio.to_thread(cluster.part, number, from_clients=from_clients)
        try:
            yield ""
        finally:
            await asyncio.to_thread(cluster.heal)
            await _whole(stage)

    return act


def slowed(number: int) -> Act:
    """Slow down what a node and the others say to each other."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncGenerator[str]:
        cluster = _of(stage)
        how = await asyncio.to_thread(cluster.slow, number)
        try:
            yield how
        finally:
            await asyncio.to_thread(cluster.quicken, number)
            await _whole(stage)

    return act


def full(number: int) -> Act:
    """Raise the disk alarm on one node: all nodes then block publishers."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncGenerator[str]:
        node = _of(stage).nodes[number - 1]
        await asyncio.to_thread(node.set_disk_alarm, on=True)
        try:
            yield ""
        finally:
            await asyncio.to_thread(node.set_disk_alarm, on=False)

    return act


@asynccontextmanager
async def rolled(stage: Stage) -> AsyncGenerator[str]:
    """Restart one after the other, each when every queue has a majority without it."""
    await asyncio.to_thread(_of(stage).restart_in_turn)
    yield await _whole(stage)


def _one(kind: str, act: Callable[[int], Act], shortest: float, longest: float) -> Fault:
    def aim(rng: Random) -> Aimed:
        number = rng.choice(NODES)
        return Aimed(f"rabbitmq-{number}", frozenset({"rabbitmq"}), rng.uniform(shortest, longest), act(number))

    return Fault(kind, aim)


KILLED = _one("node kill -9", killed, 0.5, 10.0)
REACHED = _one("node parted, clients reach it", lambda number: parted(number, from_clients=False), 5.0, 25.0)
SILENT = _one("node parted, nobody reaches it", lambda number: parted(number, from_clients=True), 5.0, 25.0)
SLOW = _one("node's link slow", slowed, 5.0, 20.0)
FULL = _one("node's disk alarm", full, 4.0, 15.0)
ROLLED = Fault("rolling restart of the nodes", lambda _rng: Aimed(ALL, frozenset({"rabbitmq"}), 0.0, rolled))
FAULTS = (KILLED, REACHED, SILENT, SLOW, FULL, ROLLED)
