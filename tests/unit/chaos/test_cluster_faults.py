"""What is drawn when the broker is three nodes."""

from random import Random

from tests.chaos.faults import broker, cluster
from tests.chaos.faults.every import faults_of
from tests.chaos.schedule import deal


def test_a_cluster_meets_its_own_faults_beside_all_others() -> None:
    """The loss of a node stands in for the broker's."""
    one = {fault.kind for fault in faults_of(clustered=False)}
    three = {fault.kind for fault in faults_of(clustered=True)}
    own = {fault.kind for fault in cluster.FAULTS}
    assert three - one == own
    assert one - three == {broker.KILLED}


def test_no_two_nodes_are_in_hands_at_once() -> None:
    """And none while a queue is deleted."""
    kinds = [*cluster.FAULTS, *broker.FAULTS]
    assert {frozenset(fault.aim(Random(1)).touches) for fault in kinds} == {frozenset({"rabbitmq"})}


def test_every_node_has_its_turn() -> None:
    """Drawn by the seed."""
    dealt = deal(5, 3600, cluster.FAULTS)
    targets = {strike.aimed.target for strike in dealt}
    assert targets == {cluster.ALL, "rabbitmq-1", "rabbitmq-2", "rabbitmq-3"}
