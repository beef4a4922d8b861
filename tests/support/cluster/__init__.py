"""Three RabbitMQ nodes, each in a network namespace of its own, that can be killed, cut off and slowed down one by one.

In: root on Linux, `ip` (iproute2) and the machine's RabbitMQ. Out: a `Cluster`, and a broker for a stack made of it.
Promises: only addresses and names that were made here are used; nothing is left, whatever ends the run: its guardian
removes what a killed run left, and the next run what its guardian could not.

Every node has two interfaces: `peers`, by which the nodes meet, and `clients`, by which this machine reaches them. Both
lead to a fourth namespace with two bridges, so that no firewall of the machine stands between. A node whose port is
taken from a bridge sends into silence, as it would behind a dead switch.

Reading order: `network` names and addresses, `namespaces` makes them, `node`, `cluster`, `broker` for a stack,
`errors`.
"""

from tests.support.cluster.broker import cluster_broker
from tests.support.cluster.cluster import Cluster, running_cluster
from tests.support.cluster.errors import ClusterError, NoClusterError
from tests.support.cluster.node import Node

__all__ = ["Cluster", "ClusterError", "NoClusterError", "Node", "cluster_broker", "running_cluster"]
