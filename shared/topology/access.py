"""Who may do what in the vhost: a broker user per service, with the least that it needs, as frozen values.

RabbitMQ requires `write` on an exchange to publish and `read` on a queue to consume. For a passive declaration any
permission on it is enough from 4.3.1 on; up to 4.2.5 none is needed, and 4.2.6 and 4.3.0 want `configure`, which no
service gets: the bootstrap owns the topology, and services go on without looks (`shared.amqp.depth`).

So who looks at a queue that it does not consume has `write` on it. That right opens nothing else: RabbitMQ asks for it
on a queue only to bind, with `read` on the exchange, which no service has on any.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from shared.topology import (
    AGGREGATOR_RESULTS,
    BATCHES,
    COMMANDS,
    DEAD,
    DEAD_LETTERS,
    EVENTS,
    LANES,
    PLANNER_COMMANDS,
    QUEUES,
    RESULTS,
    RETRY,
    Queue,
    fed_by,
)

NOTHING = "^$"
DEFAULT_EXCHANGE = "amq.default"
"""What permissions call the exchange without a name, which leads to any queue by its name."""
SUBSCRIBER_QUEUES = r"events\..+"
"""Names that subscribers' queues must have; a policy bounds them."""


@dataclass(frozen=True, slots=True)
class User:
    """A broker user and its patterns; `tags` open the management UI and its API."""

    name: str
    write: str = NOTHING
    read: str = NOTHING
    configure: str = NOTHING
    tags: str = ""


def _exactly(names: Iterable[str]) -> str:
    return f"^({'|'.join(re.escape(name) for name in names)})$"


def _write(*exchanges: str, looks_at: Iterable[Queue], consumes: Iterable[Queue]) -> str:
    """The exchanges that it publishes to, and the queues that it looks at without consuming them."""
    consumed = list(consumes)
    return _exactly((*exchanges, *(queue.name for queue in looks_at if queue not in consumed)))


def _read(queues: Iterable[Queue]) -> str:
    return _exactly(queue.name for queue in queues)


API = User(
    "carillon-api",
    # A dead letter is replayed to the queue it came from; `GET /v1/lanes` tells every queue's depth.
    write=_write(COMMANDS, EVENTS, DEFAULT_EXCHANGE, looks_at=QUEUES, consumes=(DEAD_LETTERS,)),
    read=_read((DEAD_LETTERS,)),
)
PLANNER = User(
    "carillon-planner",
    write=_write(
        *(COMMANDS, BATCHES, RESULTS, EVENTS, DEAD),
        looks_at=fed_by(COMMANDS, BATCHES, RESULTS, DEAD),
        consumes=(PLANNER_COMMANDS,),
    ),
    read=_read((PLANNER_COMMANDS,)),
)
SENDER = User(
    "carillon-sender",
    write=_write(
        *(BATCHES, RETRY, RESULTS, DEAD), looks_at=fed_by(RETRY, RESULTS, DEAD), consumes=tuple(LANES.values())
    ),
    read=_read(LANES.values()),
)
AGGREGATOR = User(
    "carillon-aggregator",
    write=_write(*(COMMANDS, EVENTS, DEAD), looks_at=fed_by(COMMANDS, DEAD), consumes=(AGGREGATOR_RESULTS,)),
    read=_read((AGGREGATOR_RESULTS,)),
)
SUBSCRIBER = User(
    "carillon-subscriber",
    write=f"^{SUBSCRIBER_QUEUES}$",
    read=f"^({SUBSCRIBER_QUEUES}|{re.escape(EVENTS)})$",
    configure=f"^{SUBSCRIBER_QUEUES}$",
)
MONITORING = User("carillon-monitoring", tags="monitoring")
"""For autoscalers and dashboards: sees depths, touches nothing."""

USERS = (API, PLANNER, SENDER, AGGREGATOR, SUBSCRIBER, MONITORING)
