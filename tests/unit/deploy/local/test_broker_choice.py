"""Which broker a stack uses."""

from pathlib import Path

import pytest

from deploy.local import broker_choice
from deploy.local.broker_choice import start_broker
from deploy.local.errors import NoBrokerError
from deploy.local.guardian import Guardian
from deploy.local.rabbitmq import package_script
from deploy.versions import RABBITMQ_IMAGE


def test_a_url_in_the_environment_beats_all(tmp_path: Path) -> None:
    """Nothing is started."""
    environment = {"CARILLON_AMQP_URL": "amqp://localhost/v", "CARILLON_BROKER": "docker"}
    broker = start_broker(tmp_path, Guardian(), environment, keep=False, say=print)
    assert broker.amqp_url() == "amqp://localhost/v"
    assert broker.process is None


def test_without_any_broker_the_error_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three ways, each spelled out."""
    monkeypatch.setattr(broker_choice, "docker_answers", lambda: False)
    monkeypatch.setattr(broker_choice, "package_script", lambda: None)
    with pytest.raises(NoBrokerError, match=r"(?s)CARILLON_AMQP_URL.*Docker.*apt-get install rabbitmq-server"):
        start_broker(tmp_path, Guardian(), {}, keep=False, say=print)


def test_docker_without_the_image_gives_way_to_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that reaches no registry must not stop a machine that has RabbitMQ; it is said aloud."""
    said: list[str] = []
    monkeypatch.setattr(broker_choice, "docker_answers", lambda: True)
    monkeypatch.setattr(broker_choice, "has_image", lambda _: False)
    monkeypatch.setattr(broker_choice, "package_script", lambda: None)
    with pytest.raises(NoBrokerError):
        start_broker(tmp_path, Guardian(), {}, keep=False, say=said.append)
    assert RABBITMQ_IMAGE in said[0]


def test_a_server_that_is_named_beats_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unpacked release, or another suite's; one that is not there is refused, not replaced."""
    server = tmp_path / "rabbitmq-server"
    monkeypatch.setenv("CARILLON_RABBITMQ_SERVER", str(server))
    with pytest.raises(NoBrokerError, match="CARILLON_RABBITMQ_SERVER"):
        package_script()
    server.touch(mode=0o755)
    assert package_script() == server
