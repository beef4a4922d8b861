"""Where the broker's nodes are and which one a connection tries next.

Names are looked up for every attempt, so that a name with several addresses is several nodes, and a changed address is
found. One `Nodes` serves all connections of a process: what one of them learns about a node, the others know.
"""

import asyncio
import math
import random
import socket
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import structlog

from shared.amqp.hosts import BrokerUrl, Host, parse

log = structlog.get_logger()

LOOKUP = 3.0
"""Seconds to look a name up: a name server that is silent must not use up the time of the other hosts."""
FAILED_FOR = 30.0
"""Seconds that an address which failed is tried after the others: a restarted node needs about as long."""
AVOIDED_FOR = 60.0
"""Seconds that a node which was left is the last to be tried. It may be back then; if not, it is left again after
seconds, and shorter would spend a larger share of a long partition on finding that out."""


class Address(NamedTuple):
    """One address of a host; the host's name is what its certificate is held to."""

    host: Host
    ip: str

    def __str__(self) -> str:
        return str(self.host) if self.host.name == self.ip else f"{self.host} ({self.ip})"


def in_order(
    addresses: Sequence[Address],
    *,
    failed: Mapping[Address, float],
    avoided: Mapping[Address, float],
    now: float,
    rng: random.Random,
) -> list[Address]:
    """Shuffled: what did not fail lately first, then what failed longest ago, and last who is avoided until later."""

    def rank(address: Address) -> tuple[float, float]:
        until, at = avoided.get(address, -math.inf), failed.get(address, -math.inf)
        return until if until > now else -math.inf, at if now - at < FAILED_FOR else -math.inf

    return sorted(rng.sample(addresses, len(addresses)), key=rank)


class Nodes:
    """The nodes behind one URL, and what is known of them."""

    def __init__(self, url: BrokerUrl, *, rng: random.Random | None = None) -> None:
        self.url = url
        self._rng = rng or random.Random()
        self._failed: dict[Address, float] = {}
        self._avoided: dict[Address, float] = {}

    @classmethod
    def of(cls, url: str) -> "Nodes":
        """Read the URL; raises `ValueError` as `hosts.parse`."""
        return cls(parse(url))

    async def addresses(self) -> list[Address]:
        """Look all names up; raises `OSError` when none has an address."""
        found = await asyncio.gather(*(_look_up(host) for host in self.url.hosts))
        every = list(dict.fromkeys(address for addresses in found for address in addresses))
        if not every:
            names = ", ".join(host.name for host in self.url.hosts)
            raise OSError(f"no address is known for {names}")
        return every

    async def others(self, address: Address) -> list[Address]:
        """The addresses of other nodes: not one of the same host by the other version of IP. None, if none is known."""
        try:
            every = await self.addresses()
        except OSError:
            return []
        return [
            other
            for other in every
            if other != address and not (other.host == address.host and (":" in other.ip) != (":" in address.ip))
        ]

    async def in_order(self) -> list[Address]:
        """All addresses, the one to try first at the front; raises as `addresses`."""
        return in_order(await self.addresses(), failed=self._failed, avoided=self._avoided, now=_now(), rng=self._rng)

    def fails(self, address: Address) -> bool:
        """Whether it has failed lately or is avoided: then it is tried late."""
        now = _now()
        return now - self._failed.get(address, -math.inf) < FAILED_FOR or self._avoided.get(address, -math.inf) > now

    def failed(self, address: Address) -> None:
        """It did not answer, or a connection to it was lost."""
        self._failed[address] = _now()

    def works(self, address: Address) -> None:
        """It answers."""
        self._failed.pop(address, None)

    def avoid(self, address: Address) -> None:
        """It was left for a better one."""
        self._avoided[address] = _now() + AVOIDED_FOR

    def avoided(self, address: Address) -> bool:
        """Whether it was left lately."""
        return self._avoided.get(address, -math.inf) > _now()


async def _look_up(host: Host) -> list[Address]:
    try:
        async with asyncio.timeout(LOOKUP):
            found = await asyncio.get_running_loop().getaddrinfo(host.name, host.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError) as error:
        log.warning("broker.no_address", host=host.name, error=f"{type(error).__name__}: {error}")
        return []
    return [Address(host, str(place[0])) for *_, place in found]


def _now() -> float:
    return asyncio.get_running_loop().time()
