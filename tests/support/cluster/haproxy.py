"""A load balancer before the nodes, as operators have one: haproxy, and how it finds out whom to use."""

import base64
import shutil
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from urllib.parse import unquote, urlsplit

from deploy.local.guardian import Guardian
from deploy.local.ports import LOOPBACK, free_port, is_free
from deploy.local.process import ManagedProcess
from tests.support.cluster.errors import NoClusterError
from tests.support.cluster.node import AMQP, MANAGEMENT, Node

WITHOUT_LEADERS = "/api/health/checks/quorum-queues-without-elected-leaders/all-vhosts/"


class Check(Enum):
    """How it finds out whether a node can be used."""

    PORT = "port"
    """The node takes connections."""
    LEADERS = "leaders"
    """The node knows a leader for every quorum queue (RabbitMQ 4.1 and later): the only check that a minority fails."""


def configuration(port: int, servers: Sequence[tuple[str, str]], check: Check, authorization: str) -> str:
    """Its file; `servers` are name and address of each node."""
    checks = {
        Check.PORT: (),
        Check.LEADERS: (
            "option httpchk",
            (
                f"http-check send meth GET uri {WITHOUT_LEADERS} ver HTTP/1.1 hdr Host rabbitmq "
                f'hdr Authorization "{authorization}"'
            ),
            "http-check expect status 200",
        ),
    }[check]
    at = f" port {MANAGEMENT}" if check is Check.LEADERS else ""
    lines = (
        "defaults",
        "    mode tcp",
        "    timeout connect 1s",
        "    timeout check 2s",
        "    timeout client 3h",
        "    timeout server 3h",
        "    retries 2",
        "    option redispatch 1",
        "listen rabbitmq",
        f"    bind {LOOPBACK}:{port}",
        "    balance leastconn",
        *(f"    {line}" for line in checks),
        "    default-server inter 2s fall 1 rise 2 on-marked-down shutdown-sessions",
        *(f"    server {name} {address}:{AMQP} check{at}" for name, address in servers),
    )
    return "\n".join(lines) + "\n"


class Balancer:
    """haproxy before some nodes."""

    def __init__(self, nodes: Sequence[Node], check: Check, folder: Path, guardian: Guardian) -> None:
        found = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
        if found is None:
            raise NoClusterError("There is no haproxy here (Debian, Ubuntu: apt-get install haproxy).")
        login = urlsplit(nodes[0].broker.url).netloc.rpartition("@")[0]
        basic = base64.b64encode(unquote(login).encode()).decode()
        port = free_port()
        file = folder / "haproxy.cfg"
        servers = [(node.name, node.address) for node in nodes]
        file.write_text(configuration(port, servers, check, f"Basic {basic}"))
        self.url = f"amqp://{login}@{LOOPBACK}:{port}"
        self._process = ManagedProcess(
            "haproxy",
            [found, "-db", "-f", file],
            guardian=guardian,
            log=folder / "haproxy.log",
            ready=lambda: not is_free(port),
        )

    def start(self) -> None:
        """Start it."""
        self._process.start()
        self._process.wait_ready()

    def stop(self) -> None:
        """End it."""
        self._process.stop(2.0)
