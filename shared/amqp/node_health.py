"""Whether a node of the broker is healthy, decided from what its connections have seen. Pure.

A node that is cut off from the majority of its cluster accepts connections and answers passive declarations, but it
confirms no publish, delivers nothing and registers no consumer. A node that has lost the leader of one queue does the
same for that queue. The two differ in how the same queue answers at another node.

| the queue here | at another node | then |
|---|---|---|
| serves | | all is well |
| is silent | serves | this node is cut off: leave it |
| is silent | is silent everywhere | the queue has no leader, which `topology.leaderless` looks after |
| is silent | no other node could be asked | one of the two: stay, and report it |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from shared.amqp.nodes import Address

QUIET = 5.0
"""Seconds without a sign of life after which a node is probed: an idle system is probed this often."""
AGAIN = 20.0
"""Seconds until a node that served is probed again because publishes are still unconfirmed."""


class Answer(Enum):
    """How a queue answers when a consumer is to be registered."""

    SERVES = auto()
    SILENT = auto()
    NOT_OURS_TO_ASK = auto()
    UNKNOWN = auto()


class Finding(Enum):
    """What the answers say of a node."""

    WELL = auto()
    CUT_OFF = auto()
    LEADERLESS = auto()
    ALONE = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Signs:
    """What connections to a node have seen, in seconds."""

    quiet: float
    """Since it confirmed, delivered or served something."""
    served: float
    """Since it served when it was asked."""
    unconfirmed: float = 0.0
    """That the oldest publish waits for its confirm, while no alarm holds it up."""
    room: bool = False
    """Whether a consumer of ours would take a message: then a probe takes no message away from others."""


def suspicious(signs: Signs) -> bool:
    """Whether to probe the node."""
    if signs.unconfirmed >= QUIET:
        return signs.served >= min(signs.unconfirmed, AGAIN)
    return signs.room and signs.quiet >= QUIET


def diagnose(here: Answer, elsewhere: Mapping[Address, Answer]) -> Finding:
    """Judge a node by how one queue answers there and at the other nodes."""
    if here is Answer.SERVES:
        return Finding.WELL
    if here is not Answer.SILENT:
        return Finding.UNKNOWN
    if Answer.SERVES in elsewhere.values():
        return Finding.CUT_OFF
    if elsewhere and all(answer is Answer.SILENT for answer in elsewhere.values()):
        return Finding.LEADERLESS
    return Finding.ALONE
