"""PostgreSQL and RabbitMQ from testcontainers, for machines whose Docker engine answers."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from functools import partial

from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from deploy.local.broker import USER, VHOST, Broker
from deploy.local.docker import DEFAULT_IMAGE, docker_answers, has_image
from deploy.versions import POSTGRES_IMAGE

_PASSWORD = "carillon"
_READY_WITHIN = 60.0
_CONTROL_WITHIN = 60.0


def in_containers() -> bool:
    """Whether the servers of tests run in Docker: it answers and has the images, and the environment leaves it open."""
    only = os.environ.get("CARILLON_TEST_SERVERS")
    if os.environ.get("CARILLON_AMQP_URL") or only == "embedded":
        return False
    return only == "docker" or (docker_answers() and has_image(_rabbitmq_image()) and has_image(POSTGRES_IMAGE))


@contextlib.contextmanager
def postgres_container() -> Iterator[str]:
    """Run PostgreSQL; give the URL of its own database."""
    _spare_reaper()
    postgres = (
        DockerContainer(POSTGRES_IMAGE)
        .with_env("POSTGRES_USER", USER)
        .with_env("POSTGRES_PASSWORD", _PASSWORD)
        .with_env("POSTGRES_DB", "postgres")
        .with_command("postgres -c fsync=off -c max_connections=200")
        .with_exposed_ports(5432)
    )
    with postgres:
        where = f"{postgres.get_container_host_ip()}:{postgres.get_exposed_port(5432)}"
        yield f"postgresql://{USER}:{_PASSWORD}@{where}/postgres"


@contextlib.contextmanager
def rabbitmq_container() -> Iterator[Broker]:
    """Run RabbitMQ."""
    image = _rabbitmq_image()
    _spare_reaper()
    rabbitmq = (
        DockerContainer(image)
        .with_env("RABBITMQ_DEFAULT_USER", USER)
        .with_env("RABBITMQ_DEFAULT_PASS", _PASSWORD)
        .with_env("RABBITMQ_DEFAULT_VHOST", VHOST)
        .with_exposed_ports(5672, 15672)
    )
    with rabbitmq:
        host = rabbitmq.get_container_host_ip()
        broker = Broker(
            kind="testcontainers",
            url=f"amqp://{USER}:{_PASSWORD}@{host}:{rabbitmq.get_exposed_port(5672)}",
            management_url=f"http://{host}:{rabbitmq.get_exposed_port(15672)}",
            control=partial(_control, str(rabbitmq.get_wrapped_container().id)),
        )
        deadline = time.monotonic() + _READY_WITHIN
        while not broker.is_ready():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{image} was not ready within {_READY_WITHIN:.0f} s.")
            time.sleep(0.1)
        yield broker


def _spare_reaper() -> None:
    """Do without what ends servers of a killed session, where it cannot be had: each ends with its own block."""
    if not has_image(testcontainers_config.ryuk_image):
        testcontainers_config.ryuk_disabled = True


def _rabbitmq_image() -> str:
    return os.environ.get("CARILLON_RABBITMQ_IMAGE", DEFAULT_IMAGE)


def _control(container: str, *arguments: str) -> str:
    """Call the container's `rabbitmqctl`; raises `subprocess.CalledProcessError`."""
    command = ["docker", "exec", container, "rabbitmqctl", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=_CONTROL_WITHIN, check=True).stdout  # noqa: S603 - ours
