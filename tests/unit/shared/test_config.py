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
    """As orchestrators mount them; white space around it and an editor's mark are no part of it."""
    secret = tmp_path / "amqp_url"
    secret.write_text("\ufeff amqp://user:p w@broker/carillon\r\n\n", encoding="utf-8")
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
    with pytest.raises(
        ConfigurationError, match="CARILLON_AMQP_URL_FILE is wrong: the file cannot be read: No such file"
    ):
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


@pytest.mark.parametrize(("content", "said"), [(b"\n", "the file is empty"), (b"amqp://\xff", "no text in UTF-8")])
def test_a_file_that_holds_nothing_is_named(
    content: bytes, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It does not count as not set: somebody meant it."""
    secret = tmp_path / "amqp_url"
    secret.write_bytes(content)
    monkeypatch.delenv("CARILLON_AMQP_URL")
    monkeypatch.setenv("CARILLON_AMQP_URL_FILE", str(secret))
    with pytest.raises(ConfigurationError, match=f"CARILLON_AMQP_URL_FILE is wrong: .*{said}"):
        Settings.load()


def test_what_hosting_companies_call_the_ledger_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """And SQLAlchemy, with our driver."""
    for scheme in ("postgres", "postgresql+asyncpg"):
        monkeypatch.setenv("CARILLON_DATABASE_URL", f"{scheme}://user:p%40w@h1,h2:5433/d")
        assert Settings.load().database_url.get_secret_value() == "postgresql://user:p%40w@h1,h2:5433/d"


def test_a_level_may_be_written_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """As people do, and by its short name."""
    monkeypatch.setenv("CARILLON_LOG_LEVEL", "warn")
    assert Settings.load().log_level == "WARNING"
