"""Policies that change what happens to our messages are named; those that do not are not."""

from typing import Any

import pytest

from shared.topology.policies import POLICIES
from shared.topology.policy_conflicts import policy_conflicts


def policy(pattern: str, priority: int = 0, apply_to: str = "queues", **definition: Any) -> dict[str, Any]:
    """One as the management API lists it."""
    said = {name.replace("_", "-"): value for name, value in definition.items()}
    return {"name": "mine", "pattern": pattern, "apply-to": apply_to, "priority": priority, "definition": said}


OURS = [
    {"name": p.name, "pattern": p.pattern, "apply-to": p.apply_to, "priority": p.priority, "definition": p.definition}
    for p in POLICIES
]


@pytest.mark.parametrize(
    "listed",
    [
        OURS,
        [*OURS, policy("^dead$", max_length=10**6)],
        [policy("^sender", overflow="drop-head")],  # the queue's own argument beats it
        [policy(".*", apply_to="classic_queues", message_ttl=1)],
        [policy("^events", overflow="drop-head", expires=5)],
        [policy("(?P>x", message_ttl=1)],
        [policy("^dead$", overflow="drop-head"), policy("^dead$", priority=1, max_length=10)],
    ],
)
def test_a_policy_that_changes_nothing_of_this_is_not_named(listed: list[dict[str, Any]]) -> None:
    """Lengths are the operator's to choose."""
    assert policy_conflicts(listed, []) == []


def test_a_policy_that_loses_messages_is_named_with_the_queue() -> None:
    """Where our own arguments say nothing else."""
    (found,) = policy_conflicts([policy("^dead$", overflow="drop-head", max_length=5)], [])
    assert str(found) == (
        "queue dead: policy mine sets overflow drop-head, which must stay as it is declared. Have that policy leave "
        "our queues alone, or leave this out of it."
    )


def test_an_operator_policy_beats_a_longer_delay() -> None:
    """RabbitMQ takes the lower one: a retry would come back too early."""
    found = policy_conflicts([], [policy(r"^sender\.retry\.(10s|30m)$", message_ttl=60_000)])
    assert [difference.what for difference in found] == ["queue sender.retry.30m"]
