"""What is known of a node, and what follows from it: decisions without I/O.

A node that is cut off from the majority of its cluster takes connections, answers what is asked passively, and says
nothing about the rest: it confirms no publish, delivers nothing and registers no consumer. One that has lost the leader
of a single queue does so for that queue. They differ in what the same queue says at another node.

| the queue here | at another node | then |
|---|---|---|
| serves | | all is well |
| is silent | serves | this node is cut off: leave it |
| is silent | is silent everywhere | the queue has no leader, which `topology.leaderless` looks after |
| is silent | nobody else could be asked | one of both: stay, and say it |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from shared.amqp.nodes import Address

QUIET = 5.0
"""Seconds without a sign of life until a node is asked for one: an idle system is asked this often."""
AGAIN = 20.0
"""Seconds until a node that serves is asked again because of publishes which it goes on not to confirm."""


class Answer(Enum):
    """What a queue that is asked for a consumer does."""

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
    """Whether a consumer of ours would take a message: to ask then takes none away from anybody."""


def suspicious(signs: Signs) -> bool:
    """Whether to ask the node for a sign of life."""
    if signs.unconfirmed >= QUIET:
        return signs.served >= min(signs.unconfirmed, AGAIN)
    return signs.room and signs.quiet >= QUIET


def found(here: Answer, elsewhere: Mapping[Address, Answer]) -> Finding:
    """Judge a node by what a queue says there and at the others."""
    if here is Answer.SERVES:
        return Finding.WELL
    if here is not Answer.SILENT:
        return Finding.UNKNOWN
    if Answer.SERVES in elsewhere.values():
        return Finding.CUT_OFF
    if elsewhere and all(answer is Answer.SILENT for answer in elsewhere.values()):
        return Finding.LEADERLESS
    return Finding.ALONE
