"""RabbitMQ in a container, where a Docker engine answers.

The container runs in the foreground of a `docker run` that the stack holds like any process: its log is the
broker's, and the signal that ends it is passed on to the broker.
"""

import shutil
import subprocess
from pathlib import Path

from deploy.local.broker import USER, VHOST, Broker, own_broker, password_of
from deploy.local.errors import StartError
from deploy.local.guardian import Guardian
from deploy.local.kept_data import told, written_since
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import ManagedProcess
from deploy.versions import RABBITMQ_IMAGE

DEFAULT_IMAGE = RABBITMQ_IMAGE

_ASK_WITHIN = 5.0
"""Seconds for the engine to answer: it is on this machine, or it is not there."""

_PULL_WITHIN = 300.0
_START_WITHIN = 120.0
_STOP_WITHIN = 30.0


def docker_answers() -> bool:
    """Whether there is a Docker client and an engine that answers it."""
    return shutil.which("docker") is not None and _docker("info", within=_ASK_WITHIN)


def has_image(image: str) -> bool:
    """Whether the image is here, or could be fetched just now (which can take minutes)."""
    return _docker("image", "inspect", image, within=_ASK_WITHIN) or _docker(
        "pull", "--quiet", image, within=_PULL_WITHIN
    )


def start_container(image: str, folder: Path, guardian: Guardian, *, keep: bool) -> Broker:
    """Start the broker; with `keep` its data lives on in a volume named after the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    password = password_of(folder)
    amqp, management = free_port(), free_port()
    name = f"carillon-{folder.parent.name}-{amqp}"
    volume = f"carillon-{folder.parent.name}"
    log = folder / "rabbitmq.log"
    process = ManagedProcess(
        "rabbitmq",
        container_command(
            image,
            name,
            amqp=amqp,
            management=management,
            password=password,
            volume=volume if keep else None,
        ),
        guardian=guardian,
        log=log,
        ready_within=_START_WITHIN,
    )

    def stop() -> None:
        if not process.stop(_STOP_WITHIN):
            _docker("rm", "--force", "--volumes", name, within=_STOP_WITHIN)

    def control(*arguments: str) -> str:
        command = ["docker", "exec", name, "rabbitmqctl", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=_STOP_WITHIN, check=True).stdout  # noqa: S603 - ours

    broker = own_broker(
        "docker", amqp=amqp, management=management, password=password, process=process, stop=stop, control=control
    )
    process.ready = broker.is_ready
    before = log.stat().st_size if log.exists() else 0
    process.start()
    try:
        process.wait_ready()
    except StartError as error:
        stop()
        said = written_since(log, before)
        raise told(error, said, f"the volume {volume}", removal=f"docker volume rm {volume}") from None
    except BaseException:
        stop()
        raise
    return broker


def container_command(
    image: str, name: str, *, amqp: int, management: int, password: str, volume: str | None
) -> list[str]:
    """Return the command; the hostname is fixed because the node's data belongs to its name."""
    kept = ["--volume", f"{volume}:/var/lib/rabbitmq"] if volume else []
    login = {"USER": USER, "PASS": password, "VHOST": VHOST}
    return [
        *("docker", "run", "--rm", "--name", name, "--hostname", "carillon"),
        *("--publish", f"{LOOPBACK}:{amqp}:5672", "--publish", f"{LOOPBACK}:{management}:15672"),
        *(part for key, value in login.items() for part in ("--env", f"RABBITMQ_DEFAULT_{key}={value}")),
        *kept,
        image,
    ]


def _docker(*arguments: str, within: float) -> bool:
    """Run a docker command and tell whether it succeeded in time."""
    try:
        result = subprocess.run(["docker", *arguments], capture_output=True, timeout=within, check=False)  # noqa: S603, S607 - ours
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.returncode == 0
