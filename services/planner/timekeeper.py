"""The timekeeper: what happens because time has passed. On any number of replicas; row locks keep them apart."""

import asyncio
import functools
from collections.abc import Callable

import structlog
from aio_pika.abc import AbstractRobustConnection

from services.planner.publishing import Publishing
from services.planner.window import Room, batch_size, is_over, room
from shared.amqp.depth import ready_messages
from shared.contracts.messages import BatchReady, CloseCampaign, PlanCampaign
from shared.db import Database, Writer
from shared.errors import UnavailableError
from shared.ledger import campaigns, due, planning, sweeping
from shared.ledger.times import Times
from shared.observability import metrics
from shared.outbox import add_command
from shared.topology import LANES

log = structlog.get_logger()


class Timekeeper:
    """A round every `tick` seconds: schedules, sweeps, batches that no step will publish, steps that were lost."""

    def __init__(
        self,
        database: Database,
        publishing: Publishing,
        connection: AbstractRobustConnection,
        times: Times,
        *,
        tick: float,
        on_commit: Callable[[], None],
    ) -> None:
        self._database = database
        self._publishing = publishing
        self._connection = connection
        self._times = times
        self._tick = tick
        self._on_commit = on_commit
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Keep time until stopped; trouble of the infrastructure skips a round."""
        while not self._stopping.is_set():
            try:
                await self.round()
            except UnavailableError as error:
                log.warning("timekeeper.waiting", error=str(error))
            try:
                async with asyncio.timeout(self._tick):
                    await self._stopping.wait()
            except TimeoutError:
                continue
        await asyncio.Future()  # a loop that ends stops the process; this one is cancelled with the others

    def stop(self) -> None:
        """Start no new round."""
        self._stopping.set()

    async def round(self) -> None:
        """Everything that is due now, each in a transaction of its own."""
        await self._database.again(self._start_due)
        await self._database.again(self._command_lost_steps)
        await self._sweep()
        await self._publish_leftovers()
        self._on_commit()

    async def _start_due(self, tx: Writer) -> None:
        for campaign_id in await due.scheduled(tx):
            log.info("campaign.schedule_due", campaign_id=campaign_id)
            await campaigns.send(tx, campaign_id)

    async def _command_lost_steps(self, tx: Writer) -> None:
        for campaign_id, seq in await due.lost_steps(tx, self._times):
            log.warning("step.commanded_again", campaign_id=campaign_id, seq=seq)
            await add_command(tx, PlanCampaign(campaign_id=campaign_id, seq=seq))
        for campaign_id in await due.lost_closings(tx, self._times):
            log.warning("closing.commanded_again", campaign_id=campaign_id)
            await add_command(tx, CloseCampaign(campaign_id=campaign_id))

    async def _sweep(self) -> None:
        busy = [str(lane) for lane, queue in LANES.items() if await ready_messages(self._connection, queue.name) > 0]
        while True:
            swept = await self._database.again(lambda tx: sweeping.sweep(tx, busy_lanes=busy, times=self._times))
            for state, count in swept.back.items():
                log.warning("batches.swept", state=state, count=count)
                metrics.SWEPT.labels(state).inc(count)
            await self._publishing.report(swept.results)
            if swept.looked_at < sweeping.SLICE:
                return

    async def _publish_leftovers(self) -> None:
        """Publish what is planned of campaigns that have no step left to do it."""
        async with self._database.read() as tx:
            waiting = await due.leftovers(tx)
        for campaign in waiting:
            batches = await self._database.again(functools.partial(self._take, campaign))
            await self._publishing.publish(batches)

    async def _take(self, campaign: due.Leftover, tx: Writer) -> list[BatchReady]:
        window = await planning.look_at_window(tx, campaign.id)
        size, over = batch_size(campaign.rate), is_over(campaign.deadline)
        left = room(window, Room(lane=campaign.lane, rate=campaign.rate, size=size, over=over))
        return await planning.take_planned(
            tx,
            campaign.id,
            deadline=campaign.deadline,
            limit=left,
            times=self._times,
        )
