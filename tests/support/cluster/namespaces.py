"""Makes the namespaces and the wires between them with `ip`, cuts the wires, slows them down, removes everything."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom
from typing import Literal

import psutil  # type: ignore[import-untyped]  # it ships no types

from deploy.local.guardian import Guardian
from tests.support.cluster.errors import ClusterError, NoClusterError
from tests.support.cluster.network import NODES, SWITCH, Network, draw, hardware, left_over, routes_of, with_length

Wire = Literal["peers", "clients"]
"""Between the nodes, or from this machine to a node."""
WIRES: tuple[Wire, Wire] = ("peers", "clients")

SLOW = ("netem", "delay", "80ms", "20ms", "loss", "1%")
NARROW = ("tbf", "rate", "1mbit", "burst", "4kb", "latency", "300ms")
"""Where the kernel has no netem: so narrow that packets queue for up to 0.3 s, and beyond that are lost."""
_WITHIN = 20.0
_PATH = "/usr/sbin:/sbin"
"""Where `ip` and `tc` are, though not on everybody's path."""


def ip(*arguments: str) -> str:
    """Call `ip`; raises `ClusterError` with its words."""
    return _tool("ip", *arguments)


def _tool(name: str, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own arguments
        [tool(name), *arguments], check=False, capture_output=True, text=True, timeout=_WITHIN
    )
    if done.returncode != 0:
        raise ClusterError(f"`{name} {' '.join(arguments)}` failed: {done.stderr.strip()}")
    return done.stdout


def tool(name: str) -> str:
    """Path of a tool of iproute2."""
    return shutil.which(name) or shutil.which(name, path=_PATH) or name


def why_not() -> str:
    """Why this machine can have no namespaces; empty: it can."""
    if sys.platform != "linux":
        return "A cluster needs Linux: each of its nodes lives in a network namespace."
    if os.geteuid() != 0:
        return "A cluster needs root, for each of its nodes lives in a network namespace: run this as root."
    if not shutil.which(tool("ip")):
        return "A cluster needs `ip`: install iproute2 (Debian, Ubuntu: apt-get install iproute2)."
    return ""


@contextlib.contextmanager
def made(guardian: Guardian) -> Iterator["Wiring"]:
    """Make a network of namespaces, and remove it at the end with all that runs in it; dead runs' first."""
    if reason := why_not():
        raise NoClusterError(reason)
    remove_left_over()
    routes = routes_of(json.loads(ip("-json", "-4", "route", "show", "table", "all")))
    network = Network(os.getpid(), _started(os.getpid()), draw(SystemRandom(), routes))
    try:
        _make(network, guardian)
        yield Wiring(network)
    finally:
        # It would go with the switch, but in the kernel's own time.
        with contextlib.suppress(ClusterError):
            ip("link", "delete", network.interface)
        for name in network.namespaces:
            _remove(name)


def remove_left_over() -> None:
    """Remove the namespaces of runs that are dead, and end what still runs in them."""
    told = json.loads(ip("-json", "netns", "list") or "[]")
    alive = set()
    for pid in psutil.pids():
        with contextlib.suppress(OSError):
            alive.add((pid, _started(pid)))
    for name in left_over([found["name"] for found in told], alive):
        _remove(name)


def _started(pid: int) -> int:
    """When a process was started, in ticks of the kernel since its boot, which no setting of a clock changes."""
    after_its_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(after_its_name[19])


def _remove(name: str) -> None:
    with contextlib.suppress(ClusterError):
        for pid in ip("netns", "pids", name).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
    with contextlib.suppress(ClusterError):
        ip("netns", "delete", name)


def _make(network: Network, guardian: Guardian) -> None:
    for name in network.namespaces:
        try:
            ip("netns", "add", name)
        except ClusterError as error:
            raise NoClusterError(f"This machine lets nobody make network namespaces: {error}") from error
        guardian.at_the_end(tool("ip"), "netns", "delete", name)
        ip("-n", name, "link", "set", "lo", "up")
    switch = network.namespace(SWITCH)
    for wire in WIRES:
        ip("-n", switch, "link", "add", wire, "type", "bridge")
        ip("-n", switch, "link", "set", wire, "up")
    _wire_host(network, switch)
    for node in NODES:
        for wire in WIRES:
            _wire_node(network, switch, node, wire)


def _wire_host(network: Network, switch: str) -> None:
    name, port = network.interface, "host"
    mac = hardware(network.host)
    ip("link", "add", name, "address", mac, "type", "veth", "peer", "name", port, "netns", switch)
    ip("addr", "add", with_length(network.host), "dev", name)
    ip("link", "set", name, "up")
    ip("-n", switch, "link", "set", port, "master", "clients", "up")
    for node in NODES:
        address = network.client(node)
        ip("neigh", "replace", str(address), "lladdr", hardware(address), "dev", name, "nud", "permanent")


def _wire_node(network: Network, switch: str, node: int, wire: Wire) -> None:
    """Give a node its end; who is where is known to all, so that a cut is silence and not an address unknown."""
    name, port = network.namespace(node), _port(wire, node)
    own = network.peer if wire == "peers" else network.client
    others = [network.host] if wire == "clients" else [network.peer(other) for other in NODES if other != node]
    mac = hardware(own(node))
    ip("-n", name, "link", "add", wire, "address", mac, "type", "veth", "peer", "name", port, "netns", switch)
    ip("-n", name, "addr", "add", with_length(own(node)), "dev", wire)
    ip("-n", name, "link", "set", wire, "up")
    ip("-n", switch, "link", "set", port, "master", wire, "up")
    for other in others:
        ip("-n", name, "neigh", "replace", str(other), "lladdr", hardware(other), "dev", wire, "nud", "permanent")


def _port(wire: Wire, node: int) -> str:
    return f"{wire}-{node}"


class Wiring:
    """The wires of a network that is there."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._switch = network.namespace(SWITCH)

    def cut(self, node: int, wire: Wire) -> None:
        """Let nothing through any more, in either direction; nobody is told."""
        ip("-n", self._switch, "link", "set", _port(wire, node), "nomaster")

    def mend(self, node: int, wire: Wire) -> None:
        """Let everything through again."""
        ip("-n", self._switch, "link", "set", _port(wire, node), "master", wire)

    def slow(self, node: int, wire: Wire) -> str:
        """Slow it down in both directions; returns how."""
        try:
            return self._queue("replace", node, wire, *SLOW)
        except ClusterError:
            return self._queue("replace", node, wire, *NARROW)

    def quicken(self, node: int, wire: Wire) -> None:
        """As it was."""
        self._queue("delete", node, wire)

    def _queue(self, verb: str, node: int, wire: Wire, *how: str) -> str:
        for namespace, device in (
            (self._switch, _port(wire, node)),
            (self.network.namespace(node), wire),
        ):
            _tool("tc", "-n", namespace, "qdisc", verb, "dev", device, "root", *how)
        return " ".join(how)
