"""The names and addresses of one run's network, as values; what is left of dead runs is known by its name."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from random import Random

NODES = (1, 2, 3)
SWITCH = "switch"
PRIVATE = (IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))
PREFIX = "carillon"
_NAME = re.compile(rf"{PREFIX}-(?P<pid>\d+)-(?P<started>\d+)-[0-9a-f]{{8}}-(?:{SWITCH}|[1-3])")
_HALF = 128
"""The lower half of the range is the nodes' own, the upper half is for clients."""
_DRAWS = 500


@dataclass(frozen=True)
class Network:
    """A range of 256 private addresses, and the process that made it with its start as the kernel counts it."""

    pid: int
    started: int
    range: IPv4Network

    @property
    def _hex(self) -> str:
        return f"{int(self.range.network_address):08x}"

    def namespace(self, part: int | str) -> str:
        """Name of a node's namespace, or of the switch's."""
        return f"{PREFIX}-{self.pid}-{self.started}-{self._hex}-{part}"

    @property
    def namespaces(self) -> tuple[str, ...]:
        """All of them, the switch last."""
        return tuple(self.namespace(part) for part in (*NODES, SWITCH))

    @property
    def interface(self) -> str:
        """This machine's own end, 12 characters of the 15 that Linux allows."""
        return f"crl-{self._hex}"

    def peer(self, node: int) -> IPv4Address:
        """Where the other nodes reach a node."""
        return self.range[node]

    def client(self, node: int) -> IPv4Address:
        """Where clients reach a node."""
        return self.range[_HALF + node]

    @property
    def host(self) -> IPv4Address:
        """This machine, as the nodes see it."""
        return self.range[254]


def hardware(address: IPv4Address) -> str:
    """A locally administered hardware address that belongs to the address."""
    return ":".join(f"{part:02x}" for part in (2, 0, *address.packed))


def with_length(address: IPv4Address) -> str:
    """As `ip` takes it: half of the range is on this wire."""
    return f"{address}/25"


def draw(rng: Random, routes: Iterable[str]) -> IPv4Network:
    """Draw a private /24 that no route of this machine touches; raises `LookupError` when there is none."""
    taken = [IPv4Network(route, strict=False) for route in routes if route != "default"]
    for _ in range(_DRAWS):
        block = rng.choice(PRIVATE)
        start = int(block.network_address) + 256 * rng.randrange(block.num_addresses // 256)
        drawn = IPv4Network((start, 24))
        if not any(drawn.overlaps(network) for network in taken):
            return drawn
    raise LookupError("every private range is routed already")


def routes_of(told: Sequence[Mapping[str, object]]) -> list[str]:
    """Destinations in what `ip -json route` tells."""
    return [str(route["dst"]) for route in told]


def left_over(names: Iterable[str], alive: Collection[tuple[int, int]]) -> list[str]:
    """Which namespaces are of runs whose process, by pid and start, is no more; names of others are left alone."""
    found = []
    for name in names:
        parts = _NAME.fullmatch(name)
        if parts is not None and (int(parts["pid"]), int(parts["started"])) not in alive:
            found.append(name)
    return found
