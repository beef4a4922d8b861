"""One RabbitMQ node in its namespace: named by its address, with a name server, data and configuration of its own."""

import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

from deploy.local.broker import USER, Broker
from deploy.local.guardian import Guardian
from deploy.local.process import ManagedProcess
from deploy.local.rabbitmq import environment_of, write_files
from tests.support.cluster.namespaces import tool
from tests.support.cluster.network import Network

AMQP, MANAGEMENT, NAMES = 5672, 15672, 4369
"""The standard ports: every namespace has its own."""
DISK_LEFT = "50000000"
"""Bytes that must be free: RabbitMQ's own default."""
MORE_THAN_ANY_DISK = "1000000000000000"
CALM = "+sbwt none +sbwtdcpu none +sbwtdio none"
"""Idle schedulers sleep: three nodes share two cores with all else."""
_START_WITHIN = 120.0
_STOP_WITHIN = 60.0
_CONTROL_WITHIN = 60.0
_ANSWERS_WITHIN = 5.0


class Node:
    """A member of the cluster; `number` is 1, 2 or 3."""

    def __init__(
        self, number: int, network: Network, script: Path, folder: Path, guardian: Guardian, password: str, cookie: str
    ) -> None:
        self.number = number
        self.name = f"rabbitmq-{number}"
        self.address = str(network.client(number))
        self.member = f"rabbit@{network.peer(number)}"
        """Its name among the nodes."""
        self.cut_off: set[str] = set()
        """The wires of it that are cut."""
        self._within = (tool("ip"), "netns", "exec", network.namespace(number))
        self._script = script
        folder.mkdir(parents=True, exist_ok=True)
        self._environment = {
            **environment_of(folder, self.member),
            "RABBITMQ_USE_LONGNAME": "true",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": CALM,
        }
        write_files(folder, password, *_configuration(number, network))
        secret = folder / "home" / ".erlang.cookie"
        secret.touch(mode=0o600)
        secret.write_text(cookie)
        secret.chmod(0o400)
        log = folder / "rabbitmq.log"
        self.names = ManagedProcess(
            f"epmd-{number}",
            [*self._within, shutil.which("epmd") or "epmd"],
            guardian=guardian,
            log=log,
            environment=self._environment,
            ready=lambda: _listens(self.address, NAMES),
        )
        self.process = ManagedProcess(
            self.name,
            [*self._within, script],
            guardian=guardian,
            log=log,
            environment=self._environment,
            folder=folder,
            ready=self.is_ready,
            ready_within=_START_WITHIN,
        )
        self.broker = Broker(
            kind="node of a cluster",
            url=f"amqp://{USER}:{password}@{self.address}:{AMQP}",
            management_url=f"http://{self.address}:{MANAGEMENT}",
            process=self.process,
            stop=self.stop,
            control=self.control,
        )

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.process.running

    @property
    def whole(self) -> bool:
        """Whether it lives, and neither clients nor the other nodes are cut off from it."""
        return self.running and not self.cut_off

    def start(self) -> None:
        """Begin to start it; `wait_ready` of its process tells when it takes clients."""
        if not self.names.running:
            self.names.start()
            self.names.wait_ready()
        if not self.running:
            self.process.start()

    def is_ready(self) -> bool:
        """Whether it takes clients and sees at least one other node."""
        return self.broker.is_ready() and self.sees() > 1

    def sees(self) -> int:
        """Nodes that it knows to run, itself included; 0: it does not say."""
        try:
            found: list[dict[str, Any]] = self.broker.manage("GET", "/nodes")
        except OSError:
            return 0
        return sum(bool(node.get("running")) for node in found)

    def may_stop(self) -> bool:
        """Whether every quorum queue has a majority without it."""
        try:
            self.broker.manage("GET", "/health/checks/node-is-quorum-critical")
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self.process.stop(_STOP_WITHIN)

    def end(self) -> None:
        """End it and its name server at once: there is nothing to keep."""
        self.process.kill()
        self.names.kill()

    def control(self, *arguments: str) -> str:
        """Call its `rabbitmqctl`; raises `subprocess.CalledProcessError`."""
        return subprocess.run(  # noqa: S603 - ours
            [*self._within, self._script.with_name("rabbitmqctl"), "--longnames", "--node", self.member, *arguments],
            env=self._environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=_CONTROL_WITHIN,
        ).stdout

    def set_disk_alarm(self, *, on: bool) -> None:
        """Let it find its disk full, or as it is; a node looks at once when it is told."""
        self.control("set_disk_free_limit", MORE_THAN_ANY_DISK if on else DISK_LEFT)


def _configuration(number: int, network: Network) -> list[str]:
    """Its lines; the first node founds the cluster at once, the others look for it alone and join."""
    known = sorted({1, number})
    return [
        f"listeners.tcp.default = {AMQP}",
        f"management.tcp.port = {MANAGEMENT}",
        "cluster_formation.peer_discovery_backend = classic_config",
        *(f"cluster_formation.classic_config.nodes.{n} = rabbit@{network.peer(n)}" for n in known),
        # What its makers advise for three nodes; from RabbitMQ 4.3 on it decides nothing any more.
        "cluster_partition_handling = pause_minority",
    ]


def _listens(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=1.0):
            return True
    except OSError:
        return False
