"""The broker killed, out of memory, and its topology damaged."""

import asyncio
import subprocess
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from random import Random
from urllib.parse import quote

import aio_pika

from deploy.local.errors import StartError
from shared.topology import AGGREGATOR_RESULTS, LANES, PLANNER_COMMANDS, PLANNER_DELAY, RUNGS, Queue
from shared.topology.declare import declare
from tests.chaos.faults import Act, Aimed, Fault
from tests.chaos.stage import Stage

WORK = (PLANNER_COMMANDS, PLANNER_DELAY, *LANES.values(), *RUNGS.values(), AGGREGATOR_RESULTS)
WATERMARK = "0.4"
"""RabbitMQ's own default."""
AWAKE = 20.0
"""Seconds from its start until the broker loses a queue. RabbitMQ 3.10 that loses one while its dead-letter
workers start gives up their supervisor and with it every quorum queue, which nobody but itself can mend."""
KILLED = "broker kill -9"
_TRIES = 5


@asynccontextmanager
async def killed(stage: Stage) -> AsyncGenerator[str]:
    """`kill -9`; then it is started again on its data."""
    process = stage.process("rabbitmq")
    await asyncio.to_thread(process.kill)
    try:
        yield ""
    finally:
        await _start(stage)


async def _start(stage: Stage) -> None:
    process = stage.process("rabbitmq")
    for attempt in range(_TRIES):
        try:
            await asyncio.to_thread(process.start)
            await asyncio.to_thread(process.wait_ready)
        except StartError:
            if attempt == _TRIES - 1:
                raise
            await asyncio.to_thread(process.kill)
            continue
        stage.broker_since = time.monotonic()
        return


@asynccontextmanager
async def alarmed(stage: Stage) -> AsyncGenerator[str]:
    """Set off the memory alarm, which blocks everybody who publishes; clear it."""
    await asyncio.to_thread(_set_watermark, stage, "0")
    try:
        yield ""
    finally:
        await _clear(stage)


async def _clear(stage: Stage) -> None:
    """Clear the alarm, which must not stay: on a busy machine the command may take more than its minute."""
    for attempt in range(_TRIES):
        try:
            await asyncio.to_thread(_set_watermark, stage, WATERMARK)
        except subprocess.SubprocessError:
            if attempt == _TRIES - 1:
                raise
            continue
        return


def _set_watermark(stage: Stage, share: str) -> None:
    control = stage.stack.broker.control
    assert control is not None  # the stage prefers the machine's package
    control("set_vm_memory_high_watermark", share)


def purged(queue: Queue) -> Act:
    """Throw away what is in the queue."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncGenerator[str]:
        async with stage.channel() as channel:
            lost = (await (await channel.get_queue(queue.name)).purge()).message_count
        stage.emptied.append((time.time(), queue.name))
        yield f"{lost} messages"

    return act


def unbound(queue: Queue) -> Act:
    """Remove its bindings; what nobody puts back by itself an operator puts back."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncGenerator[str]:
        async with stage.channel() as channel:
            there = await channel.get_queue(queue.name)
            for binding in queue.bindings:
                await there.unbind(binding.exchange, binding.pattern)
        try:
            yield await _looked_at_later(stage, queue)
        finally:
            await _put_back(stage)
            _held_back(stage, queue)

    return act


def deleted(queue: Queue) -> Act:
    """Delete it with all it holds; likewise."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncGenerator[str]:
        await asyncio.sleep(max(0.0, stage.broker_since + AWAKE - time.monotonic()))
        async with stage.channel() as channel:
            lost = (await channel.queue_delete(queue.name)).message_count
        stage.emptied.append((time.time(), queue.name))
        try:
            yield f"{lost} messages; {await _looked_at_later(stage, queue)}"
        finally:
            await _put_back(stage)
            _held_back(stage, queue)

    return act


def _held_back(stage: Stage, queue: Queue) -> None:
    """What was on its way here by a rung may be missing: RabbitMQ keeps it and tries again in three minutes."""
    stage.emptied.append((time.time(), queue.name))


REPAIR_WITHIN = 12.0
"""Seconds that the services get to put it back by themselves."""


async def _looked_at_later(stage: Stage, queue: Queue) -> str:
    """Tell whether the queue and its bindings come back by themselves."""
    began = time.monotonic()
    while time.monotonic() < began + REPAIR_WITHIN:
        if await asyncio.to_thread(_is_whole, stage, queue):
            return f"put back by itself after {time.monotonic() - began:.1f} s"
        await asyncio.sleep(0.5)
    return "put back by `python -m shared.topology`"


def _is_whole(stage: Stage, queue: Queue) -> bool:
    broker = stage.stack.broker
    try:
        found = broker.manage("GET", f"/queues/{quote(broker.vhost, safe='')}/{queue.name}/bindings")
    except OSError:
        return False
    bound = {(binding["source"], binding["routing_key"]) for binding in found}
    return bound >= {(binding.exchange, binding.pattern) for binding in queue.bindings}


async def _put_back(stage: Stage) -> None:
    """As `python -m shared.topology` does; a service that repairs at the same moment wants the same."""
    for attempt in range(_TRIES):
        try:
            async with stage.channel() as channel:
                await declare(channel)
        except (aio_pika.exceptions.AMQPError, OSError, TimeoutError):
            if attempt == _TRIES - 1:
                raise
            await asyncio.sleep(1)
            continue
        return


def _whole(kind: str, act: Act, shortest: float, longest: float) -> Fault:
    return Fault(kind, lambda rng: Aimed("rabbitmq", frozenset({"rabbitmq"}), rng.uniform(shortest, longest), act))


def _one_queue(kind: str, act: Callable[[Queue], Act]) -> Fault:
    def aim(rng: Random) -> Aimed:
        queue = rng.choice(WORK)
        return Aimed(queue.name, frozenset({"rabbitmq"}), 0.0, act(queue))

    return Fault(kind, aim)


FAULTS = (
    _whole(KILLED, killed, 0.5, 6.0),
    _whole("broker memory alarm", alarmed, 4.0, 20.0),
    _one_queue("queue purged", purged),
    _one_queue("binding removed", unbound),
    _one_queue("queue deleted", deleted),
)
