"""Who may do what in the vhost: a broker user per service, with the least that it needs, as frozen values.

RabbitMQ asks for `write` on an exchange to publish, for `read` on a queue to consume, and for neither to declare
something passively. No service may configure anything: the bootstrap owns the topology.
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
    RESULTS,
    RETRY,
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


API = User(
    "carillon-api",
    write=_exactly((COMMANDS, EVENTS, DEFAULT_EXCHANGE)),  # a dead letter is replayed to the queue it came from
    read=_exactly((DEAD_LETTERS.name,)),
)
PLANNER = User(
    "carillon-planner",
    write=_exactly((COMMANDS, BATCHES, RESULTS, EVENTS, DEAD)),
    read=_exactly((PLANNER_COMMANDS.name,)),
)
SENDER = User(
    "carillon-sender",
    write=_exactly((BATCHES, RETRY, RESULTS, DEAD)),
    read=_exactly(queue.name for queue in LANES.values()),
)
AGGREGATOR = User(
    "carillon-aggregator",
    write=_exactly((COMMANDS, EVENTS, DEAD)),
    read=_exactly((AGGREGATOR_RESULTS.name,)),
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
