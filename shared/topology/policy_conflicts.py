"""Conflicts: policies of the operator that change what happens to the messages in our queues.

RabbitMQ applies one policy to a queue, the one of the highest priority that matches, and one operator policy. What a
queue was declared with beats its policy; an operator policy beats both where it is stricter.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from shared.topology import QUEUES, Queue
from shared.topology.differing import Difference

FORBIDDEN = frozenset(
    {"dead-letter-exchange", "dead-letter-routing-key", "dead-letter-strategy", "expires", "message-ttl", "overflow"}
)
"""What no policy may set on our queues: messages would be dropped, or routed where nothing consumes them."""
STRICTER = frozenset({"expires", "message-ttl"})
"""Where an operator policy counts beside an argument, if it is lower."""
QUEUES_TOO = frozenset({"all", "queues", "quorum_queues"})

Policies = Sequence[Mapping[str, Any]]
"""As the management API lists them."""


def policy_conflicts(
    policies: Policies, operator_policies: Policies, queues: Sequence[Queue] = QUEUES
) -> list[Difference]:
    """Policies that set on our queues what none may set: a difference for each queue and policy."""
    found = []
    for queue in queues:
        for kind, listed in (("policy", policies), ("operator policy", operator_policies)):
            policy = _applied(queue, listed)
            said = {} if policy is None else policy["definition"]
            names = sorted(name for name in FORBIDDEN.intersection(said) if _counts(queue, kind, name, said[name]))
            if policy is not None and names:
                how = ", ".join(f"{name} {said[name]}" for name in names)
                found.append(
                    Difference(
                        f"queue {queue.name}",
                        f"{kind} {policy['name']} sets {how}, which must stay as it is declared",
                        "Have that policy leave our queues alone, or leave this out of it",
                    )
                )
    return found


def _applied(queue: Queue, policies: Policies) -> Mapping[str, Any] | None:
    """The one that RabbitMQ applies."""
    matching = [policy for policy in policies if policy["apply-to"] in QUEUES_TOO and _matches(policy, queue)]
    return max(matching, key=lambda policy: int(policy["priority"]), default=None)


def _matches(policy: Mapping[str, Any], queue: Queue) -> bool:
    try:
        return re.search(policy["pattern"], queue.name) is not None
    except re.error:  # Erlang knows patterns that Python does not
        return False


def _counts(queue: Queue, kind: str, name: str, value: Any) -> bool:
    ours = queue.arguments.get(f"x-{name}")
    if ours is None:
        return True
    return kind == "operator policy" and name in STRICTER and int(value) < int(ours)
