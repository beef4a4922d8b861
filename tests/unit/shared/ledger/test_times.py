"""The ledger's patience."""

import pytest
from pydantic import ValidationError

from shared.ledger.times import Times


def test_the_defaults_are_the_designs() -> None:
    """Two minutes of lease, of which the last half minute starts nothing."""
    times = Times()
    assert (times.lease, times.margin, times.queued, times.retry, times.report) == (120, 30, 120, 300, 300)


@pytest.mark.parametrize("margin", [5.0, 6.0])
def test_a_margin_that_leaves_no_time_to_send_is_refused(margin: float) -> None:
    """The text says why."""
    with pytest.raises(ValidationError, match="nothing could be sent"):
        Times(lease=5, margin=margin)


def test_times_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that rehearsals need not wait for minutes."""
    monkeypatch.setenv("CARILLON_LEDGER_LEASE", "3")
    monkeypatch.setenv("CARILLON_LEDGER_MARGIN", "1")
    assert (Times().lease, Times().margin) == (3, 1)
