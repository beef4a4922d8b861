"""Bad days at FCM, a few of those that `./run rehearse` plays: each ends balanced, with the expected events."""

import pytest

from tests.flow.system import System
from tests.rehearsals.day import Day
from tests.rehearsals.days import DAYS
from tests.rehearsals.playing import play

SHORT = {
    "connections_cut",
    "goaway_storm",
    "half_the_tokens_dead",
    "key_revoked",
    "retry_after_absurd",
    "role_missing",
    "token_revoked",
}
"""A day of each kind, none longer than half a minute: the circuit, the quota, connections, tokens, credentials."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("day", [day for day in DAYS if day.name in SHORT], ids=lambda day: day.name)
async def test_a_bad_day_ends_as_promised(system: System, day: Day) -> None:
    """The ledger balances, the emulator's record agrees, nobody got it twice, the expected events and no others."""
    played = await play(system, day)
    assert played.faults == []
