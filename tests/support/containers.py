"""PostgreSQL and RabbitMQ from testcontainers, for machines whose Docker engine answers."""

import contextlib
import time
from collections.abc import Iterator

from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from deploy.local.broker import USER, VHOST, Broker
from deploy.local.docker import DEFAULT_IMAGE, has_image
from deploy.versions import POSTGRES_IMAGE

_PASSWORD = "carillon"
_READY_WITHIN = 60.0


@contextlib.contextmanager
def containers(rabbitmq_image: str = DEFAULT_IMAGE) -> Iterator[tuple[str, Broker]]:
    """Run both servers; give the URL of PostgreSQL's own database, and the broker."""
    # Its reaper ends what a killed session leaves. Both servers end with this block, so it may be missing.
    if not has_image(testcontainers_config.ryuk_image):
        testcontainers_config.ryuk_disabled = True
    postgres = (
        DockerContainer(POSTGRES_IMAGE)
        .with_env("POSTGRES_USER", USER)
        .with_env("POSTGRES_PASSWORD", _PASSWORD)
        .with_env("POSTGRES_DB", "postgres")
        .with_command("postgres -c fsync=off -c max_connections=200")
        .with_exposed_ports(5432)
    )
    rabbitmq = (
        DockerContainer(rabbitmq_image)
        .with_env("RABBITMQ_DEFAULT_USER", USER)
        .with_env("RABBITMQ_DEFAULT_PASS", _PASSWORD)
        .with_env("RABBITMQ_DEFAULT_VHOST", VHOST)
        .with_exposed_ports(5672, 15672)
    )
    with postgres, rabbitmq:
        host = rabbitmq.get_container_host_ip()
        broker = Broker(
            kind="testcontainers",
            url=f"amqp://{USER}:{_PASSWORD}@{host}:{rabbitmq.get_exposed_port(5672)}",
            management_url=f"http://{host}:{rabbitmq.get_exposed_port(15672)}",
            control=lambda *arguments: rabbitmq.exec(["rabbitmqctl", *arguments]).output.decode(),
        )
        deadline = time.monotonic() + _READY_WITHIN
        while not broker.is_ready():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{rabbitmq_image} was not ready within {_READY_WITHIN:.0f} s.")
            time.sleep(0.1)
        where = f"{postgres.get_container_host_ip()}:{postgres.get_exposed_port(5432)}"
        yield f"postgresql://{USER}:{_PASSWORD}@{where}/postgres", broker
