"""Lost leases and who had them."""

import pytest

from tests.chaos.checker.leases import lost
from tests.chaos.checker.state import Disturbance
from tests.chaos.witnesses import LostLease, Stall
from tests.unit.chaos.checker.healthy import healthy

LEASE = LostLease("batch 3 of campaign 7", "sender-1", claimed=100.0, lost=113.0)


def test_a_lease_that_was_lost_for_nothing_is_found() -> None:
    """With its holder and its times; so is one after a short trouble of PostgreSQL, over which a sender insists."""
    words = (
        "sender-1 lost its lease over batch 3 of campaign 7, held from 90.0 s to 103.0 s, "
        "and no fault had it in its hands"
    )
    assert lost(healthy(lost=[LEASE], began=10.0)) == [words]
    short = [Disturbance("postgres", 101.0, 105.0), Disturbance("sender-2", 100.0, 110.0)]
    assert lost(healthy(lost=[LEASE], began=10.0, disturbances=short)) == [words]


@pytest.mark.parametrize(
    "reason",
    [
        {"disturbances": [Disturbance("sender-1", 90.0, 101.0)]},
        {"disturbances": [Disturbance("postgres", 90.0, 103.0), Disturbance("postgres", 110.0, 112.0)]},
        {"commits": [Stall(101.0, 107.0)]},
        {"disturbances": [Disturbance("emulator", 98.0, 104.0)]},
        {"stalls": [Stall(101.0, 107.0)]},
    ],
    ids=["its sender was struck", "postgresql was away twice", "postgresql was slow", "fcm was struck", "fcm was slow"],
)
def test_a_lease_that_was_lost_with_its_sender_or_its_server_is_explained(reason: dict[str, object]) -> None:
    """Whoever did it."""
    assert lost(healthy(lost=[LEASE], **reason)) == []


def test_a_holder_that_nobody_saw_lived_for_less_than_a_second() -> None:
    """It was struck at its start."""
    assert lost(healthy(lost=[LostLease("batch 1 of campaign 1", "4711", 100.0, 113.0)])) == []
