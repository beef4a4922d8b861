"""Free TCP ports on loopback."""

import random
import socket
import urllib.request
from collections import deque

LOOPBACK = "127.0.0.1"

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""For HTTP on this machine: a proxy from the environment has no business in it."""

_RANGE = range(20_000, 32_000)
"""Below what Linux and macOS lend to outgoing connections: a port from there could be taken by any client
between the choice and the server's bind."""


_RANDOM = random.SystemRandom()
"""Never seeded: two stacks started with one seed would draw the same ports."""


_lately: deque[int] = deque(maxlen=1000)
"""Ports given lately, which may not be listened on yet: what starts together in one process does not meet."""


def free_port() -> int:
    """Return a port that nothing listens on now, drawn at random: stacks of other processes rarely meet."""
    for _ in range(200):
        port = _RANDOM.choice(_RANGE)
        if port not in _lately and is_free(port):
            _lately.append(port)
            return port
    raise OSError(f"No free port found in {_RANGE.start}-{_RANGE.stop} on {LOOPBACK}; end what listens there.")


def is_free(port: int) -> bool:
    """Tell whether a server could bind the port on loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections of an earlier server in TIME_WAIT are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
