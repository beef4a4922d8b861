"""Addresses of brokers."""

from pathlib import Path

import pytest

from deploy.local.broker import foreign_broker, password_of
from deploy.local.broker_choice import start_broker
from deploy.local.errors import LocalStackError
from deploy.local.guardian import Guardian


def test_a_foreign_broker_keeps_its_vhost() -> None:
    """The URL in the environment names the vhost to use."""
    broker = foreign_broker("amqp://me:secret@broker.example:5673/push", None)
    assert broker.amqp_url() == "amqp://me:secret@broker.example:5673/push"
    assert broker.amqp_url("other") == "amqp://me:secret@broker.example:5673/other"


def test_a_url_without_a_path_means_the_default_vhost() -> None:
    """As every AMQP client reads it."""
    assert foreign_broker("amqp://localhost", None).amqp_url() == "amqp://localhost/%2F"


def test_a_url_of_another_kind_is_refused_without_showing_its_password() -> None:
    """The error says how it should look."""
    with pytest.raises(LocalStackError, match="amqp://user:password@host") as caught:
        foreign_broker("http://me:secret@broker.example", None)
    assert "secret" not in str(caught.value)


def test_management_of_a_foreign_broker_must_be_named() -> None:
    """Nobody can guess its address."""
    with pytest.raises(LocalStackError, match="CARILLON_RABBITMQ_MANAGEMENT_URL"):
        foreign_broker("amqp://localhost", None).create_vhost("x")


def test_a_password_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    """The broker's data remembers it, so a second start must too."""
    first = password_of(tmp_path)
    assert password_of(tmp_path) == first
    assert (tmp_path / "password").stat().st_mode & 0o077 == 0


def test_other_wrong_addresses_are_refused_by_name() -> None:
    """Without the secret, which may be anywhere in them."""
    for amqp, management in (("amqp://u:qxzq@h,u:zxqz@i", None), ("amqp://h", "http://u:qxzq@h"), ("amqp://h", "qxzq")):
        with pytest.raises(LocalStackError, match="_URL is wrong") as caught:
            foreign_broker(amqp, management)
        assert "qxzq" not in str(caught.value)


def test_a_broker_of_another_kind_is_refused() -> None:
    """`CARILLON_BROKER` opens one way or leaves both open."""
    with pytest.raises(LocalStackError, match="CARILLON_BROKER is wrong"):
        start_broker(Path(), Guardian(), {"CARILLON_BROKER": "podman"}, keep=False, say=print)
