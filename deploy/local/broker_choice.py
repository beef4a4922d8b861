"""Which RabbitMQ a stack uses: the one in the environment, else Docker's, else the machine's package."""

from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.local.broker import Broker, foreign_broker
from deploy.local.docker import DEFAULT_IMAGE, docker_answers, has_image, start_container
from deploy.local.errors import LocalStackError, NoBrokerError
from deploy.local.guardian import Guardian
from deploy.local.rabbitmq import PackagedNode, package_script

HOW_TO_GET_ONE = f"""No RabbitMQ can be had here. One of these helps:
  - name a running one:     export CARILLON_AMQP_URL=amqp://user:password@host:5672/vhost
  - start a Docker engine   (image {DEFAULT_IMAGE}, or what CARILLON_RABBITMQ_IMAGE says)
  - install the package:    Debian, Ubuntu: apt-get install rabbitmq-server
                            Fedora:         dnf install rabbitmq-server
                            macOS:          brew install rabbitmq"""


def start_broker(
    folder: Path,
    guardian: Guardian,
    environment: Mapping[str, str],
    *,
    keep: bool,
    say: Callable[[str], None],
) -> Broker:
    """Start, or merely name, a broker; blocks until it answers.

    `CARILLON_BROKER=docker` or `=package` leaves only that way open.
    """
    url = environment.get("CARILLON_AMQP_URL")
    if url:
        return foreign_broker(url, environment.get("CARILLON_RABBITMQ_MANAGEMENT_URL"))
    only = environment.get("CARILLON_BROKER") or None
    if only not in {None, "docker", "package"}:
        raise LocalStackError("CARILLON_BROKER is wrong: it should be docker or package, or not be set.")
    image = environment.get("CARILLON_RABBITMQ_IMAGE", DEFAULT_IMAGE)
    if only != "package" and docker_answers():
        if has_image(image):
            return start_container(image, folder, guardian, keep=keep)
        say(f"Docker answers but cannot get {image}: using the machine's own RabbitMQ instead.")
    script = package_script()
    if only == "docker" or script is None:
        raise NoBrokerError(HOW_TO_GET_ONE)
    return PackagedNode(script, folder, guardian, keep=keep).start()
