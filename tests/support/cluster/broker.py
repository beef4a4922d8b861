"""The cluster as the broker of a stack."""

import urllib.error
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.broker import Broker
from deploy.local.guardian import Guardian
from tests.support.cluster.cluster import Cluster
from tests.support.cluster.errors import ClusterError
from tests.support.cluster.haproxy import Balancer, Check
from tests.support.cluster.network import NODES


@dataclass(frozen=True, kw_only=True)
class ClusterBroker(Broker):
    """What is asked of it is asked of a node that lives, those of the majority first."""

    cluster: Cluster

    def manage(self, method: str, path: str, body: object = None) -> Any:
        """Ask each in turn; what a node answers is an answer, unless it says that it cannot."""
        failure: OSError | None = None
        for node in self.cluster.living():
            try:
                return node.broker.manage(method, path, body)
            except urllib.error.HTTPError as error:
                if error.code < 500:
                    raise
                failure = error
            except OSError as error:
                failure = error
        raise failure or ClusterError("No node of the cluster runs.")


def cluster_broker(
    started: Callable[[Cluster], None], *, hosts: Sequence[int] = NODES, behind: Check | None = None
) -> Callable[[Path, Guardian], Broker]:
    """What a stack calls to start its broker; `started` is told of the cluster.

    `hosts`: the nodes that its URL names; `behind`: it names a load balancer before them instead.
    """

    def start(folder: Path, guardian: Guardian) -> Broker:
        cluster = Cluster(folder, guardian)
        cluster.start()
        started(cluster)
        chosen = [cluster.nodes[number - 1] for number in hosts]
        balancer = None if behind is None else Balancer(chosen, behind, folder, guardian)
        if balancer is not None:
            balancer.start()

        def stop() -> None:
            if balancer is not None:
                balancer.stop()
            cluster.stop()

        return ClusterBroker(
            kind="cluster",
            url=cluster.url(hosts) if balancer is None else balancer.url,
            management_url=chosen[0].broker.management_url,
            stop=stop,
            control=chosen[0].control,
            cluster=cluster,
        )

    return start
