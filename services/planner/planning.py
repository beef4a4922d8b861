"""The verb: one planning step, and the closing of a cancelled campaign."""

from collections.abc import Callable

import structlog

from services.planner.publishing import Publishing
from services.planner.window import Room, batch_size, is_over, room
from shared.contracts.messages import BatchReady, BatchResult, CloseCampaign, PlanCampaign
from shared.db import Database, Writer
from shared.ledger import closing, planning
from shared.ledger.completion import complete_if_done
from shared.ledger.times import Times
from shared.observability import metrics
from shared.outbox import add_command

log = structlog.get_logger()

STEP_BATCHES = 20
"""Batches of one step: 10,000 devices, tens of milliseconds, so campaigns take turns and a crash repeats little."""


class Planning:
    """Does commands; `on_commit` is rung after a commit that queued commands or events."""

    def __init__(
        self, database: Database, publishing: Publishing, times: Times, *, on_commit: Callable[[], None]
    ) -> None:
        self._database = database
        self._publishing = publishing
        self._times = times
        self._on_commit = on_commit

    async def step(self, command: PlanCampaign) -> None:
        """Do the step if it is the ledger's; its continuation is committed with it."""
        batches = await self._database.again(lambda tx: self._step(tx, command))
        self._on_commit()
        await self._publishing.publish(batches)

    async def close(self, command: CloseCampaign) -> None:
        """Do a pass over a cancelled campaign; another follows while holders still have batches."""
        results = await self._database.again(lambda tx: self._close(tx, command))
        self._on_commit()
        await self._publishing.report(results)

    async def _step(self, tx: Writer, command: PlanCampaign) -> list[BatchReady]:
        step = await planning.lock_step(tx, command.campaign_id, command.seq)
        if step is None or step.status != "sending":
            return []
        window = await planning.look_at_window(tx, step.campaign_id)
        size = batch_size(step.rate)
        over = is_over(step.deadline)
        left = room(window, Room(lane=step.lane, rate=step.rate, size=size, over=over))
        metrics.WINDOW_ROOM.labels(str(step.lane)).observe(left)
        taken = await planning.take_planned(
            tx, step.campaign_id, deadline=step.deadline, limit=min(left, STEP_BATCHES), times=self._times
        )
        fresh = min(left, STEP_BATCHES) - len(taken)
        if window.flow <= 0 and window.held and not over:
            fresh = 0
        page = await planning.cut(tx, step, batches=fresh, size=size, times=self._times)
        metrics.BATCHES_PLANNED.labels(str(step.lane)).inc(len(page.batches))
        if page.done:
            log.info("campaign.planned", campaign_id=step.campaign_id)
            await complete_if_done(tx, step.campaign_id)
        else:
            following = PlanCampaign(campaign_id=step.campaign_id, seq=step.seq + 1)
            await add_command(tx, following, delayed=left <= STEP_BATCHES)
        return taken + page.batches

    async def _close(self, tx: Writer, command: CloseCampaign) -> list[BatchResult]:
        closed = await closing.close_slice(tx, command.campaign_id, self._times)
        if closed.more:
            await add_command(tx, command, delayed=not closed.results)
        return closed.results
