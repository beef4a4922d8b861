"""The operator key at start."""

import pytest

from services.api.settings import ApiSettings
from shared.errors import ConfigurationError


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set everything but the key."""
    monkeypatch.setenv("CARILLON_DATABASE_URL", "postgresql://user@localhost/carillon")
    monkeypatch.setenv("CARILLON_AMQP_URL", "amqp://localhost/")
    monkeypatch.delenv("CARILLON_OPERATOR_KEY", raising=False)


def test_a_random_key_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is not shown by accident."""
    monkeypatch.setenv("CARILLON_OPERATOR_KEY", "kT3-mVq9_xLw0ZbRe5")
    assert "kT3" not in repr(ApiSettings.load())


@pytest.mark.parametrize(
    "key",
    [
        None,
        "",
        "kT3-mVq9_xL",
        "changeme-changeme-changeme",
        "0" * 40,
        "kT3-mVq9 xLw0ZbRe5",
        "비밀번호비밀번호비밀번호비밀번호비밀",
    ],
)
def test_a_missing_short_or_guessable_key_refuses_to_start(key: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable and does not repeat the key."""
    if key is not None:
        monkeypatch.setenv("CARILLON_OPERATOR_KEY", key)
    with pytest.raises(ConfigurationError, match="CARILLON_OPERATOR_KEY") as caught:
        ApiSettings.load()
    assert not key or key not in str(caught.value)
