"""The broker loses patience with a process that holds messages unacked: it takes them back and ends its consumers.

RabbitMQ waits for half an hour; here for seconds, and only for consumers that are registered meanwhile. So the process
loses its connections, comes back, and is stopped for longer than the broker waits.
"""

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from random import Random

from tests.chaos.faults import Act, Aimed, Fault
from tests.chaos.stage import REMOTE, Stage
from tests.support.consumer_timeout import Control, consumer_timeout

PATIENCE = 2.0
"""Seconds that the broker waits for an ack."""
STOPPED = 5.0
"""Seconds that the process stands still: past the broker's patience and its half-second tick, within every lease."""
COMES_BACK = 2.5
"""Seconds for a process to connect and to consume again."""
HEARS = 2.0
"""Seconds for it to find out what has happened meanwhile."""


def lost(name: str) -> Act:
    """Have the process hold what it has for too long; what it does then is told by its log."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncGenerator[str]:
        process = stage.process(name)
        with ExitStack() as stack:
            try:
                for control in _controls(stage):
                    await asyncio.to_thread(stack.enter_context, consumer_timeout(control, PATIENCE))
                _cut(stage, name)
                await asyncio.sleep(COMES_BACK)
                before = _ended(stage, name)
                process.send(signal.SIGSTOP)
                try:
                    await asyncio.sleep(STOPPED)
                finally:
                    process.send(signal.SIGCONT)
                await asyncio.sleep(HEARS)
                ended = _ended(stage, name) - before
            finally:
                await asyncio.to_thread(stack.close)
                _cut(stage, name)  # consumers keep the patience that they were registered under
        yield f"{ended} consumers were ended"

    return act


def _controls(stage: Stage) -> list[Control]:
    """Every node's: each has a patience of its own."""
    brokers = [stage.stack.broker] if stage.cluster is None else [node.broker for node in stage.cluster.living()]
    return [broker.control for broker in brokers if broker.control is not None]


def _cut(stage: Stage, name: str) -> None:
    for link in stage.links[name].broker:
        link.cut()


def _ended(stage: Stage, name: str) -> int:
    """How often its log says so."""
    return stage.process(name).log.read_text(errors="replace").count("consumer.ended")


def _aim(rng: Random) -> Aimed:
    name = rng.choice(REMOTE)
    return Aimed(name, frozenset({"rabbitmq", name, f"broker of {name}"}), 0.0, lost(name))


FAULTS = (Fault("consumer timeout", _aim),)
