"""Watches the campaigns that this sender holds: a pause, a cancel or another rate is seen between slices of sending."""

import asyncio
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

import structlog

from services.sender.store import Store
from shared.errors import UnavailableError

log = structlog.get_logger()

LOOK = 0.5
"""Seconds between looks: a pause or cancel acts within 2 s, its confirmation included."""


class CampaignPoller:
    """Knows which of the held campaigns must not send any more, or no more at the rate of a claim."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: Counter[int] = Counter()
        self._stopped: frozenset[int] = frozenset()
        self._steered: dict[int, int] = {}

    @contextmanager
    def hold(self, campaign_id: int) -> Generator[None]:
        """Watch the campaign while the block runs; the claim has just found it sending, whatever the last look saw."""
        self._stopped -= {campaign_id}
        self._held[campaign_id] += 1
        try:
            yield
        finally:
            self._held[campaign_id] -= 1
            if not self._held[campaign_id]:
                del self._held[campaign_id]

    def stopped(self, campaign_id: int) -> bool:
        """Whether the campaign was paused or cancelled, as of the last look."""
        return campaign_id in self._stopped

    def steered(self, campaign_id: int, since: int) -> bool:
        """Whether the campaign's rate has changed since it had changed `since` times, as of the last look."""
        return self._steered.get(campaign_id, since) > since

    async def run(self) -> None:
        """Look for ever; what cannot be asked stays as it was, the lease bounds it."""
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
