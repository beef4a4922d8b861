"""Polls the campaigns whose batches this sender holds, so that a pause, a cancel or a new rate acts while it sends."""

import asyncio
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

import structlog

from services.sender.store import Store
from shared.errors import UnavailableError

log = structlog.get_logger()

LOOK = 0.5
"""Seconds between polls: a pause or cancel acts within 2 s, its confirmation included."""


class CampaignPoller:
    """Knows which of the polled campaigns must stop sending, or must not go on at the rate of a claim."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: Counter[int] = Counter()
        self._stopped: frozenset[int] = frozenset()
        self._steered: dict[int, int] = {}

    @contextmanager
    def hold(self, campaign_id: int) -> Generator[None]:
        """Poll the campaign while the block runs; the claim has just found it sending, whatever the last poll saw."""
        self._stopped -= {campaign_id}
        self._held[campaign_id] += 1
        try:
            yield
        finally:
            self._held[campaign_id] -= 1
            if not self._held[campaign_id]:
                del self._held[campaign_id]

    def stopped(self, campaign_id: int) -> bool:
        """Whether the campaign was paused or cancelled, as of the last poll."""
        return campaign_id in self._stopped

    def steered(self, campaign_id: int, since: int) -> bool:
        """Whether the campaign's rate has been changed more than `since` times, as of the last poll."""
        return self._steered.get(campaign_id, since) > since

    async def run(self) -> None:
        """Poll until cancelled; while PostgreSQL cannot be reached the last state holds, bounded by the lease."""
        while True:
            await asyncio.sleep(LOOK)
            if not self._held:
                self._stopped, self._steered = frozenset(), {}
                continue
            try:
                found = await self._store.look_at(list(self._held))
                self._stopped = frozenset(id_ for id_, campaign in found.items() if campaign.status != "sending")
                self._steered = {id_: campaign.steered for id_, campaign in found.items()}
            except UnavailableError as error:
                log.warning("campaign_poll.failed", error=str(error))
