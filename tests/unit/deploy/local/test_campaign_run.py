"""The measures of a run."""

from typing import Any

import pytest

from deploy.local.campaign_run import Measures, Pace, register
from deploy.local.errors import CampaignError

FIELDS = [
    "devices",
    "accepted",
    "unregistered",
    "rejected",
    "expired",
    "cancelled",
    "skipped",
    "dead",
    "unknown",
    "pending",
    "balanced",
    "planned_s",
    "wall_s",
    "per_second",
    "first_push_ms",
]


def test_the_rate_is_taken_where_99_percent_had_their_letter() -> None:
    """The moment is interpolated between two looks; what comes later does not count."""
    pace = Pace(1000)
    for at, settled in ((1.0, 490), (2.0, 980), (3.0, 1000), (13.0, 1000)):
        pace.note(at, settled)
    assert pace.per_second == pytest.approx(990 / 2.5)


def test_there_is_no_rate_before_99_percent() -> None:
    """A run that stops early has none, rather than a flattering one."""
    pace = Pace(1000)
    pace.note(1.0, 989)
    assert pace.per_second is None


def test_the_json_has_every_field_that_scripts_rely_on() -> None:
    """Their names are part of the command line's promise."""
    told = Measures(10, outcomes={"accepted": 9, "unregistered": 1}, balanced=True).as_json()
    assert set(told).issuperset(FIELDS)
    assert (told["accepted"], told["unregistered"], told["pending"]) == (9, 1, 0)


class FakeClient:
    """Registers all but what it is told to refuse."""

    def __init__(self, refused: int = 0) -> None:
        self.refused = refused
        self.lines = 0

    async def register(self, lines: Any) -> dict[str, Any]:
        """Count the lines of one request."""
        received = 0
        async for chunk in lines:
            received += chunk.count(b"\n")
        self.lines += received
        return {"received": received, "registered": received - self.refused, "errors": ["line 1: no"]}


async def test_registration_sends_each_device_once() -> None:
    """Several requests, one line for each device."""
    client, seen = FakeClient(), list[int]()
    await register(client, 45_000, seen.append)  # type: ignore[arg-type]  # a fake
    assert client.lines == 45_000
    assert seen == [20_000, 40_000, 45_000]


async def test_a_refused_device_stops_the_run() -> None:
    """A demo on fewer devices than asked for would show wrong figures."""
    with pytest.raises(CampaignError, match="99 were registered"):
        await register(FakeClient(refused=1), 100, lambda _: None)  # type: ignore[arg-type]  # a fake
