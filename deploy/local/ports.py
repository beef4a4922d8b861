"""Free TCP ports on loopback."""

import contextlib
import fcntl
import os
import random
import socket
import time
import urllib.request
from collections.abc import Iterator

from deploy.local.folders import LOCAL

LOOPBACK = "127.0.0.1"

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""For HTTP on this machine: a proxy from the environment has no business in it."""

_RANGE = range(20_000, 32_000)
"""Below what Linux and macOS lend to outgoing connections: a port from there could be taken by any client
between the choice and the server's bind."""

_RANDOM = random.SystemRandom()
"""Never seeded: two stacks started with one seed would draw the same ports."""

_GIVEN = LOCAL / "ports"
"""For each port of the range, the second in which it was given last, 8 bytes: one file for all processes here."""

_KEPT = 300
"""Seconds for which a port is not given again: nobody may listen on it yet, or nobody is meant to."""


def free_port() -> int:
    """Return a port that nothing listens on and that no process of this checkout was given lately, drawn at random.

    Those of other checkouts rarely meet.
    """
    with _given() as given:
        now = int(time.time())
        for _ in range(200):
            port = _RANDOM.choice(_RANGE)
            place = 8 * (port - _RANGE.start)
            before = int.from_bytes(os.pread(given, 8, place), "big")
            # A clock that was set back keeps no port for ever.
            if not 0 <= now - before < _KEPT and is_free(port):
                os.pwrite(given, now.to_bytes(8, "big"), place)
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


@contextlib.contextmanager
def _given() -> Iterator[int]:
    """Open the file of what was given when, alone among all threads and processes (0.1 ms)."""
    _GIVEN.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(_GIVEN, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
