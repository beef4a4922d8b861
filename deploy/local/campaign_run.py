"""One campaign through the operators' API on a running stack, with its measures. The demo and benchmarks share it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from deploy.local import made_up
from deploy.local.client import Document, OperatorClient
from deploy.local.errors import CampaignError
from deploy.local.stack import Stack
from shared.ledger.letters import NAMES

CAMPAIGN = {
    "title": "Carillon",
    "body": "종소리가 한 번씩 — every bell, once 🔔",
    "priority": "normal",
    "audience": {"kind": "all"},
    "data": {"screen": "welcome"},
    "ttl_seconds": 3600,
}

_REQUEST = 20_000
"""Devices in one bulk request: half a second or so, so that the bar moves."""

_CHUNK = 500
_POLL = 0.1
_SETTLED = 0.99
"""Share of devices up to which the rate is measured: the last ones wait for their retry, whatever the speed."""

_SILENCE = 300.0
"""Seconds without any change after which a campaign counts as stuck: twice a lease and the sweep behind it."""

ENDED = ("completed", "cancelled", "failed")


@dataclass
class Measures:
    """What a run took, counted from the moment its send request left."""

    devices: int
    registered_per_second: float = 0.0
    send_ms: float = 0.0
    first_push_ms: float | None = None
    planned_s: float | None = None
    per_second: float | None = None
    wall_s: float | None = None
    outcomes: dict[str, int] = field(default_factory=dict)
    balanced: bool = False
    campaign_id: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the figures by the names that scripts rely on."""
        return {
            "devices": self.devices,
            **{name: self.outcomes.get(name, 0) for name in reversed(list(NAMES.values()))},
            "balanced": self.balanced,
            "planned_s": _rounded(self.planned_s, 3),
            "wall_s": _rounded(self.wall_s, 3),
            "per_second": _rounded(self.per_second, 1),
            "first_push_ms": _rounded(self.first_push_ms, 1),
            "send_ms": _rounded(self.send_ms, 1),
            "registered_per_second": _rounded(self.registered_per_second, 1),
        }


async def register(client: OperatorClient, devices: int, on_progress: Callable[[int], None]) -> float:
    """Register made-up devices through the bulk route; return how many a second."""
    began, done = time.monotonic(), 0
    for start in range(0, devices, _REQUEST):
        numbers = range(start, min(start + _REQUEST, devices))
        answer = await client.register(_chunks(numbers))
        if answer["registered"] != len(numbers):
            raise CampaignError(f"Of {len(numbers)} devices {answer['registered']} were registered: {answer['errors']}")
        done += len(numbers)
        on_progress(done)
    return devices / (time.monotonic() - began)


async def _chunks(numbers: range) -> AsyncIterator[bytes]:
    lines = made_up.lines(numbers)
    while chunk := b"".join(islice(lines, _CHUNK)):
        yield chunk


async def send_and_follow(
    stack: Stack, client: OperatorClient, measures: Measures, on_stats: Callable[[Document], None]
) -> None:
    """Create a campaign to all, send it, follow it to its end, and fill in the measures."""
    campaign = await client.create_campaign(CAMPAIGN)
    measures.campaign_id = campaign["id"]
    sent_at, began = time.time(), time.monotonic()
    await client.send_campaign(measures.campaign_id)
    measures.send_ms = (time.monotonic() - began) * 1000
    pace = Pace(measures.devices)
    async for stats in _until_ended(client, measures.campaign_id):
        pace.note(time.monotonic() - began, measures.devices - _open(stats, measures.devices))
        on_stats(stats)
    measures.per_second = pace.per_second
    measures.outcomes = stats["outcomes"]
    measures.balanced = stats["balanced"] and sum(measures.outcomes.values()) == measures.devices
    measures.planned_s = _since(sent_at, stats["planned_at"])
    measures.wall_s = _since(sent_at, stats["completed_at"])
    first = (await stack.emulator.summary())["first_accept_at"]
    measures.first_push_ms = None if first is None else (first - sent_at) * 1000


class Pace:
    """Finds when 99 % of the devices had their letter, between the two looks around that moment."""

    def __init__(self, devices: int) -> None:
        self._goal = devices * _SETTLED
        self._last = (0.0, 0)
        self.per_second: float | None = None

    def note(self, at: float, settled: int) -> None:
        """Take down one look: `settled` devices `at` seconds after the send."""
        before_at, before = self._last
        if self.per_second is None and settled >= self._goal and settled > before:
            share = (self._goal - before) / (settled - before)
            self.per_second = self._goal / (before_at + share * (at - before_at))
        self._last = (at, settled)


async def _until_ended(client: OperatorClient, campaign_id: int) -> AsyncIterator[Document]:
    """Yield the stats again and again, the last ones after the end."""
    last: object = None
    changed = time.monotonic()
    while True:
        stats = await client.stats(campaign_id)
        yield stats
        if stats["status"] in ENDED:
            return
        if stats["outcomes"] != last:
            last, changed = stats["outcomes"], time.monotonic()
        elif time.monotonic() - changed > _SILENCE:
            raise CampaignError(f"Campaign {campaign_id} has not moved for {_SILENCE:.0f} s: {stats}")
        await asyncio.sleep(_POLL)


def _open(stats: Document, devices: int) -> int:
    """Return how many devices have no letter yet, those not yet planned included."""
    outcomes: dict[str, int] = stats["outcomes"]
    return devices - sum(outcomes.values()) + outcomes["pending"]


def _since(start: float, moment: str | None) -> float | None:
    return None if moment is None else datetime.fromisoformat(moment).timestamp() - start


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
