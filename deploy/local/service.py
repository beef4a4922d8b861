"""The services as processes of the stack, each with its probes on a port of its own."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.guardian import Guardian
from deploy.local.options import StackOptions
from deploy.local.ports import DIRECT, LOOPBACK, free_port
from deploy.local.process import ManagedProcess


@dataclass(frozen=True)
class Service:
    """One process of a service."""

    process: ManagedProcess
    url: str

    @property
    def name(self) -> str:
        """Its name in the stack: api, planner-1, sender-1 and so on."""
        return self.process.name

    def start(self) -> None:
        """Start it and block until it says that it is ready."""
        self.process.start()
        self.process.wait_ready()


def services_of(
    options: StackOptions, *, environment: Mapping[str, str], logs: Path, guardian: Guardian
) -> list[Service]:
    """Describe every service process that the options ask for; none is started."""

    def service(name: str, module: str, port: int, **more: str) -> Service:
        url = f"http://{LOOPBACK}:{port}"
        process = ManagedProcess(
            name,
            [sys.executable, "-m", module],
            guardian=guardian,
            log=logs / f"{name}.log",
            environment={
                **environment,
                "CARILLON_HTTP_HOST": LOOPBACK,
                "CARILLON_HTTP_PORT": str(port),
                **more,
            },
            ready=lambda: _says_ready(url),
        )
        return Service(process, url)

    return [
        service("api", "services.api", options.api_port or free_port()),
        *(service(f"planner-{n}", "services.planner", free_port()) for n in _numbers(options.planners)),
        *(
            service(f"sender-{n}", "services.sender", free_port(), CARILLON_LANES=lanes)
            for n, lanes in enumerate(options.senders, start=1)
        ),
        *(service(f"aggregator-{n}", "services.aggregator", free_port()) for n in _numbers(options.aggregators)),
    ]


def _numbers(count: int) -> range:
    return range(1, count + 1)


def _says_ready(url: str) -> bool:
    try:
        with DIRECT.open(f"{url}/health/ready", timeout=5) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004 - HTTP's OK
    except OSError:
        return False
