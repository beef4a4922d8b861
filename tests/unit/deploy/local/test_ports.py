"""Ports for what starts on loopback."""

import pytest

from deploy.local import ports


def test_what_starts_together_in_one_process_does_not_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port is given once, though nobody listens on it yet."""
    monkeypatch.setattr(ports, "is_free", lambda _: True)
    monkeypatch.setattr(ports, "_RANGE", range(20_000, 20_200))
    given = [ports.free_port() for _ in range(150)]
    assert len(set(given)) == len(given)
