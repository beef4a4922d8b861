"""The broker's topology as frozen values: every exchange, queue, binding and argument, and nowhere else.

Arguments for what loses data when absent (type, TTL, dead-letter exchange); what an operator tunes is a policy.
Reading order: the lanes and rungs, the exchanges, the queues. `declare` puts them on a broker, `repair` back on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

Arguments = Mapping[str, str | int]

DELIVERY_LIMIT = 50
"""Returns of one message before it goes to `dead`. Set explicitly: RabbitMQ 3.10 has none, 4.x has 20, and a rolling
restart returns messages many times. The broker counts what comes back with a closed channel, as ours does; nothing here
uses `nack`, which 4.3 does not count. What 4.3 takes back itself, our consumers count (`shared.amqp.delivery`)."""

LOOKED_AT = 1_000_000_000
"""Deliveries of a dead letter before the broker drops it: each look at it is one, and 4.x drops after 20 by itself."""


class Lane(StrEnum):
    """A priority's own queue, prefetch and workers."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @property
    def queue(self) -> str:
        """Name of the lane's queue."""
        return f"sender.{self}"


@dataclass(frozen=True, slots=True)
class Rung:
    """A delay that a retry can take. One queue per delay, since a TTL expires only at the head of a queue."""

    name: str
    delay: timedelta

    @property
    def queue(self) -> str:
        """Name of the rung's queue."""
        return f"sender.retry.{self.name}"


RETRY_RUNGS = (
    Rung("10s", timedelta(seconds=10)),
    Rung("1m", timedelta(minutes=1)),
    Rung("5m", timedelta(minutes=5)),
    Rung("30m", timedelta(minutes=30)),
)

COMMANDS = "push.commands"
BATCHES = "push.batches"
RETRY = "push.retry"
RESULTS = "push.results"
EVENTS = "push.events"
DEAD = "push.dead"
EXCHANGES = (COMMANDS, BATCHES, RETRY, RESULTS, EVENTS, DEAD)

PLAN_DELAY = timedelta(milliseconds=500)
"""Wait of a planning step whose window is full: short beside the 15 s of work that the window holds."""


@dataclass(frozen=True, slots=True)
class Binding:
    """Messages of `exchange` whose routing key matches `pattern`."""

    exchange: str
    pattern: str

    def takes(self, routing_key: str) -> bool:
        """Whether a message with this key comes through: `*` is any one word, and `#`, alone here, whatever comes."""
        ours, theirs = self.pattern.split("."), routing_key.split(".")
        return self.pattern == "#" or (
            len(ours) == len(theirs) and all(word in {"*", other} for word, other in zip(ours, theirs, strict=True))
        )


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable quorum queue with its bindings."""

    name: str
    bindings: tuple[Binding, ...]
    extra: Arguments = field(default_factory=dict)

    @property
    def arguments(self) -> dict[str, str | int]:
        """The `x-arguments` of its declaration."""
        return {"x-queue-type": "quorum", **self.extra}


def _dead_lettering(exchange: str, **more: str | int) -> Arguments:
    """At-least-once dead lettering: needs a quorum source and reject-publish, else RabbitMQ falls back silently."""
    return {
        "x-dead-letter-exchange": exchange,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }


def _work(name: str, *bindings: Binding) -> Queue:
    """A queue of work: what crashes its consumers too often goes to `dead`."""
    return Queue(name, bindings, {**_dead_lettering(DEAD), "x-delivery-limit": DELIVERY_LIMIT})


def _milliseconds(delay: timedelta) -> int:
    return round(delay.total_seconds() * 1000)


PLANNER_COMMANDS = _work("planner.commands", Binding(COMMANDS, "campaign.*"))
PLANNER_DELAY = Queue(
    "planner.commands.delay",
    (Binding(COMMANDS, "delayed.*"),),
    _dead_lettering(COMMANDS, x_message_ttl=_milliseconds(PLAN_DELAY), x_dead_letter_routing_key="campaign.again"),
)
LANES = {lane: _work(lane.queue, Binding(BATCHES, f"*.{lane}")) for lane in Lane}
RUNGS = {
    rung.name: Queue(
        rung.queue,
        (Binding(RETRY, f"{rung.name}.*"),),
        _dead_lettering(BATCHES, x_message_ttl=_milliseconds(rung.delay)),
    )
    for rung in RETRY_RUNGS
}
AGGREGATOR_RESULTS = _work("aggregator.results", Binding(RESULTS, "#"))
DEAD_LETTERS = Queue("dead", (Binding(DEAD, "#"),), {"x-delivery-limit": LOOKED_AT})

QUEUES = (
    PLANNER_COMMANDS,
    PLANNER_DELAY,
    *LANES.values(),
    *RUNGS.values(),
    AGGREGATOR_RESULTS,
    DEAD_LETTERS,
)


def fed_by(*exchanges: str) -> tuple[Queue, ...]:
    """The queues that something published to one of these exchanges may end in."""
    return tuple(queue for queue in QUEUES if any(binding.exchange in exchanges for binding in queue.bindings))
