"""What an operator may tune without declaring anything anew: RabbitMQ's policies, as frozen values.

Only one policy applies to a queue, the one of the highest priority: these patterns do not overlap. An operator's own
policy of a priority above 0 takes the place of one of these.
"""

from dataclasses import dataclass
from datetime import timedelta

from shared.topology import Arguments

EVENTS_MOST = 100_000
"""Messages that a subscriber may fall behind before it loses the oldest; it sees the gap in `campaign_seq`."""
EVENTS_UNUSED = timedelta(days=7)
"""Until a subscriber's queue that nobody consumes is deleted: a forgotten one must not fill the disk."""
WORK_MOST = 1_000_000
"""Messages in a queue of work at which publishing is refused: an emergency stop, three orders of magnitude above what
the planner's windows let grow. Never flow control: a retry that expires into a full lane comes back minutes late."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A definition for the queues whose name matches `pattern`."""

    name: str
    pattern: str
    definition: Arguments
    priority: int = 0
    apply_to: str = "queues"
    """RabbitMQ 3.10 knows no `quorum_queues` here."""


POLICIES = (
    Policy(
        "events-are-for-whoever-keeps-up",
        r"^events\.",
        {
            "max-length": EVENTS_MOST,
            "overflow": "drop-head",
            "expires": round(EVENTS_UNUSED.total_seconds() * 1000),
        },
    ),
    Policy("emergency-stop", r"^(planner|sender|aggregator)\.", {"max-length": WORK_MOST}),
)
