"""Settings from the environment, and from files that the environment names."""

from pathlib import Path

import pytest

from shared.config import Settings
from shared.errors import ConfigurationError


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what every service needs."""
    monkeypatch.setenv("CARILLON_DATABASE_URL", "postgresql://user@localhost/carillon")
    monkeypatch.setenv("CARILLON_AMQP_URL", "amqp://localhost/")


def test_a_secret_may_be_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As orchestrators mount them; the editor's last line feed is no part of it."""
    secret = tmp_path / "amqp_url"
    secret.write_text("amqp://user:p w@broker/carillon\n")
    monkeypatch.delenv("CARILLON_AMQP_URL")
    monkeypatch.setenv("CARILLON_AMQP_URL_FILE", str(secret))
    assert Settings.load().amqp_url.get_secret_value() == "amqp://user:p w@broker/carillon"


def test_any_other_setting_may_be_one_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Read and checked like the variable."""
    port = tmp_path / "port"
    port.write_text("9000")
    monkeypatch.setenv("CARILLON_HTTP_PORT_FILE", str(port))
    assert Settings.load().http_port == 9000


def test_a_value_and_a_file_for_it_contradict_each_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody should have to guess which counted."""
    monkeypatch.setenv("CARILLON_AMQP_URL_FILE", str(tmp_path / "amqp_url"))
    with pytest.raises(ConfigurationError, match="CARILLON_AMQP_URL and CARILLON_AMQP_URL_FILE are both set"):
        Settings.load()


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the variable that led to it."""
    monkeypatch.delenv("CARILLON_AMQP_URL")
    monkeypatch.setenv("CARILLON_AMQP_URL_FILE", str(tmp_path / "nothing"))
    with pytest.raises(ConfigurationError, match=r"CARILLON_AMQP_URL_FILE cannot be read: .*nothing"):
        Settings.load()


def test_a_wrong_value_in_a_file_names_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not its content."""
    wrong = tmp_path / "url"
    wrong.write_text("mysql://user:secret@localhost/carillon")
    monkeypatch.delenv("CARILLON_DATABASE_URL")
    monkeypatch.setenv("CARILLON_DATABASE_URL_FILE", str(wrong))
    with pytest.raises(ConfigurationError, match="CARILLON_DATABASE_URL") as raised:
        Settings.load()
    assert "secret" not in str(raised.value)


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose files give what the operator left out as an empty text."""
    monkeypatch.setenv("CARILLON_HTTP_PORT", "")
    assert Settings.load().http_port == Settings.model_fields["http_port"].default
