"""Planning: one planning step, and the closing of a cancelled campaign."""

from collections.abc import Callable

import structlog

from services.planner.publishing import Publishing
from services.planner.store import Store
from shared.contracts.messages import CloseCampaign, PlanCampaign
from shared.observability import metrics

log = structlog.get_logger()


class Planning:
    """Does commands; `on_commit` is rung after a commit that queued commands or events."""

    def __init__(self, store: Store, publishing: Publishing, *, on_commit: Callable[[], None]) -> None:
        self._store = store
        self._publishing = publishing
        self._on_commit = on_commit

    async def step(self, command: PlanCampaign) -> None:
        """Do the step if it is the ledger's; its continuation is committed with it."""
        stepped = await self._store.step(command)
        if stepped is None:
            return
        self._on_commit()
        metrics.WINDOW_ROOM.labels(str(stepped.lane)).observe(stepped.room)
        metrics.BATCHES_PLANNED.labels(str(stepped.lane)).inc(stepped.cut)
        if stepped.done:
            log.info("campaign.planned", campaign_id=command.campaign_id)
        await self._publishing.publish(stepped.batches)

    async def close(self, command: CloseCampaign) -> None:
        """Do a pass over a cancelled campaign; another follows while holders still have batches."""
        results = await self._store.close(command)
        self._on_commit()
        await self._publishing.report(results)
