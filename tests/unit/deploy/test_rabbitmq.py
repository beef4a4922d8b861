"""The checked-in definitions, and the values behind users and policies."""

import json
import re
from itertools import combinations

import pytest

from deploy.local.folders import REPOSITORY
from shared.topology import EXCHANGES, QUEUES
from shared.topology.access import NOTHING, SUBSCRIBER, USERS, User
from shared.topology.definitions import as_json
from shared.topology.policies import POLICIES


def test_the_checked_in_definitions_are_the_topology() -> None:
    """Write them anew with `python -m shared.topology.definitions > deploy/rabbitmq/definitions.json`."""
    assert (REPOSITORY / "deploy/rabbitmq/definitions.json").read_text() == as_json()


def test_the_definitions_hold_no_user() -> None:
    """A password, hashed or not, belongs in no repository."""
    assert "users" not in json.loads(as_json())


def test_no_queue_falls_under_two_policies() -> None:
    """RabbitMQ applies one of them, and which is not said."""
    names = [*(queue.name for queue in QUEUES), "events.mine"]
    for one, other in combinations(POLICIES, 2):
        assert not [name for name in names if re.search(one.pattern, name) and re.search(other.pattern, name)]


def test_no_policy_bounds_the_dead_letters() -> None:
    """They are the only copy."""
    assert not [policy for policy in POLICIES if re.search(policy.pattern, "dead")]


@pytest.mark.parametrize("user", [user for user in USERS if user is not SUBSCRIBER], ids=lambda user: user.name)
def test_no_service_may_configure_anything(user: User) -> None:
    """The bootstrap owns the topology."""
    assert user.configure == NOTHING


@pytest.mark.parametrize("user", [user for user in USERS if user is not SUBSCRIBER], ids=lambda user: user.name)
def test_no_service_may_read_an_exchange(user: User) -> None:
    """Who may also write to a queue could bind the two; without it that right only lets it look."""
    assert not [name for name in EXCHANGES if re.search(user.read, name)]


@pytest.mark.parametrize("user", USERS, ids=lambda user: user.name)
def test_no_pattern_reaches_further_than_it_says(user: User) -> None:
    """Dots are dots, and no name merely contains another."""
    for pattern in (user.write, user.read, user.configure):
        assert not [name for name in (*EXCHANGES, *(q.name for q in QUEUES)) if re.search(pattern, f"x{name}")]
        assert not [name for name in EXCHANGES if re.search(pattern, name.replace(".", "-"))]
