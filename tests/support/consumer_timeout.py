"""RabbitMQ's patience with who holds a message unacked: half an hour by default, seconds for a test or a fault."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Control = Callable[..., str]
"""`rabbitmqctl` with these arguments."""

TICK = 500
"""Milliseconds between a channel's looks at what it holds, up to RabbitMQ 4.2; since 4.3 the queue keeps the time."""


@contextmanager
def consumer_timeout(control: Control, seconds: float) -> Iterator[None]:
    """Set it for consumers and channels that are opened within the block; others keep what they had."""
    before = _exchange(control, round(seconds * 1000), TICK)
    try:
        yield
    finally:
        _exchange(control, *before)


def _exchange(control: Control, timeout: int, tick: int) -> tuple[int, int]:
    """Set both in one call, which takes seconds on a busy machine; returns what they were."""
    said = control(
        "eval",
        "[begin {ok, Before} = application:get_env(rabbit, Key), application:set_env(rabbit, Key, Now), Before end "
        f"|| {{Key, Now}} <- [{{consumer_timeout, {timeout}}}, {{channel_tick_interval, {tick}}}]].",
    )
    patience, interval = json.loads(said)
    return int(patience), int(interval)
