"""The three nodes as one: formed, killed, restarted in turn, parted and healed. It blocks; call it in a thread."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any

from deploy.local.broker import USER, password_of
from deploy.local.errors import StartError
from deploy.local.guardian import Guardian
from deploy.local.rabbitmq import package_script
from tests.support.cluster.errors import ClusterError, NoClusterError
from tests.support.cluster.namespaces import WIRES, Wire, Wiring, made
from tests.support.cluster.network import NODES
from tests.support.cluster.node import AMQP, Node

FOLLOWS_WITHIN = 120.0
"""Seconds until every queue has its majority without a node that is about to be restarted."""
_POLL = 0.2
_TRIES = 3


class Cluster:
    """Three nodes on folders below `folder`; nothing runs before `start`."""

    def __init__(self, folder: Path, guardian: Guardian) -> None:
        script = package_script()
        if script is None:
            raise NoClusterError(
                "A cluster needs RabbitMQ's package (Debian, Ubuntu: apt-get install rabbitmq-server)."
            )
        folder.mkdir(parents=True, exist_ok=True)
        self._stack = contextlib.ExitStack()
        self._password = password_of(folder)
        cookie = token_hex(16)
        self._wiring: Wiring = self._stack.enter_context(made(guardian))
        self.nodes: tuple[Node, ...] = tuple(
            Node(number, self._wiring.network, script, folder / str(number), guardian, self._password, cookie)
            for number in NODES
        )

    def start(self) -> None:
        """Start all, and block until each takes clients and sees the two others.

        The first is there before the others look for it: nodes that boot seconds apart may each found a cluster.
        """
        first, *others = self.nodes
        try:
            first.start()
            self._until(first.broker.is_ready, f"{first.name} takes clients")
            for node in others:
                node.start()
            for node in self.nodes:
                node.process.wait_ready()
            self.wait_whole()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End everything at once, and remove the network."""
        with self._stack:
            for node in self.nodes:
                node.end()

    def url(self, numbers: Sequence[int] = NODES) -> str:
        """One URL that names these nodes, without a vhost."""
        hosts = ",".join(f"{self.nodes[number - 1].address}:{AMQP}" for number in numbers)
        return f"amqp://{USER}:{self._password}@{hosts}"

    def busiest(self) -> Node:
        """The node that most clients are connected to: what the name of each connection's node says."""
        told: list[dict[str, Any]] = self.living()[0].broker.manage("GET", "/connections")
        clients = Counter(str(connection.get("node")) for connection in told)
        return max(self.nodes, key=lambda node: clients[node.member])

    def living(self) -> list[Node]:
        """Nodes that can be asked, those of the majority first."""
        return sorted((node for node in self.nodes if node.running), key=lambda node: not node.whole)

    def kill(self, number: int) -> None:
        """`kill -9` a node."""
        self.nodes[number - 1].kill()

    def start_again(self, number: int) -> None:
        """Start a node that ended, and block until it takes clients and sees another."""
        node = self.nodes[number - 1]
        for attempt in range(_TRIES):
            try:
                node.start()
                node.process.wait_ready()
            except StartError:
                if attempt == _TRIES - 1:
                    raise
                node.kill()
                continue
            return

    def restart_in_turn(self, between: Callable[[Node], None] = lambda _: None) -> None:
        """Stop and start each; the next one only when every queue has a majority without it."""
        for node in self.nodes:
            self._until(node.may_stop, f"the queues have a majority without {node.name}")
            node.stop()
            self.start_again(node.number)
            between(node)
        self.wait_whole()

    def part(self, number: int, *, from_clients: bool) -> None:
        """Cut a node off from the two others; clients still reach it unless it is cut off from them, too."""
        self.cut(number, "peers")
        if from_clients:
            self.cut(number, "clients")

    def cut(self, number: int, wire: Wire) -> None:
        """Cut one wire of a node: silence, not an error."""
        self.nodes[number - 1].cut_off.add(wire)
        self._wiring.cut(number, wire)

    def slow(self, number: int) -> str:
        """Slow down what a node and the others say to each other; returns how."""
        return self._wiring.slow(number, "peers")

    def quicken(self, number: int) -> None:
        """As it was."""
        self._wiring.quicken(number, "peers")

    def heal(self) -> None:
        """Mend every wire; the nodes find each other again in their own time: `wait_whole`."""
        for node in self.nodes:
            for wire in WIRES:
                if wire in node.cut_off:
                    self._wiring.mend(node.number, wire)
                    node.cut_off.discard(wire)

    def wait_whole(self, within: float = FOLLOWS_WITHIN) -> None:
        """Block until every node sees all, and every queue could do without any one of them."""
        self._until(lambda: all(node.sees() == len(NODES) and node.may_stop() for node in self.nodes), "whole", within)

    def _until(self, holds: Callable[[], bool], what: str, within: float = FOLLOWS_WITHIN) -> None:
        deadline = time.monotonic() + within
        while not holds():
            if time.monotonic() > deadline:
                seen = ", ".join(f"{node.name} sees {node.sees()}" for node in self.living())
                raise ClusterError(f"Not within {within:.0f} s: {what}. {seen or 'No node runs'}.")
            time.sleep(_POLL)


@contextlib.contextmanager
def running_cluster(folder: Path, guardian: Guardian) -> Iterator[Cluster]:
    """Run three nodes as long as the block does."""
    cluster = Cluster(folder, guardian)
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()
