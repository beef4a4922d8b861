"""The planner's transactions on the ledger: one for each call."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from services.planner.window import allowance
from shared.contracts.messages import BatchReady, BatchResult, CloseCampaign, PlanCampaign
from shared.db import Database, Writer
from shared.ledger import campaigns, closing, due, planning, sweeping
from shared.ledger.completion import complete_if_done
from shared.ledger.due import Leftover
from shared.ledger.sweeping import Swept
from shared.ledger.times import Times
from shared.outbox import add_command
from shared.topology import Lane


@dataclass(frozen=True, slots=True)
class Stepped:
    """What a step has done: `batches` to publish, the last `cut` of them new; `done` when none are left to cut."""

    lane: Lane
    room: int
    batches: list[BatchReady]
    cut: int
    done: bool


@dataclass(frozen=True, slots=True)
class Lost:
    """Commands that were lost and are given again: campaign and seq of steps, campaigns of closings."""

    steps: list[tuple[int, int]]
    closings: list[int]


class Store:
    """Steps, closings, stamps, and what is due."""

    def __init__(self, database: Database, times: Times) -> None:
        self._database = database
        self._times = times

    async def step(self, command: PlanCampaign) -> Stepped | None:
        """Do a planning step; its continuation, or the campaign's completion, is committed with it.

        None when the step is not the ledger's, or the campaign is not sending.
        """
        return await self._database.again(lambda tx: self._step(tx, command))

    async def close(self, command: CloseCampaign) -> list[BatchResult]:
        """Do a pass over a cancelled campaign, and command the next one while batches are open; results to publish."""
        return await self._database.again(lambda tx: self._close(tx, command))

    async def stamp(self, batches: Sequence[BatchReady]) -> None:
        """Mark one campaign's batches as queued; see `shared.ledger.planning`."""
        async with self._database.write() as tx:
            await planning.stamp(tx, batches, self._times)

    async def start_due(self) -> list[int]:
        """Send the campaigns whose time has come; returns those that were due."""
        return await self._database.again(self._start_due)

    async def command_lost_steps(self, *, age: float | None = None) -> Lost:
        """Give again the commands of steps (`age`: of those untouched so many seconds) and closings that were lost."""
        return await self._database.again(lambda tx: self._command_lost_steps(tx, age))

    async def sweep(self, *, busy_lanes: Collection[str]) -> Swept:
        """Act on a slice of the rows whose time has come; see `shared.ledger.sweeping`."""
        return await self._database.again(lambda tx: sweeping.sweep(tx, busy_lanes=busy_lanes, times=self._times))

    async def leftovers(self) -> list[Leftover]:
        """Campaigns with batches to publish and no step left that would."""
        async with self._database.read() as tx:
            return await due.leftovers(tx)

    async def take_leftover(self, campaign: Leftover) -> list[BatchReady]:
        """Take as many of its planned batches as its window has room for."""
        return await self._database.again(lambda tx: self._take(tx, campaign))

    async def _step(self, tx: Writer, command: PlanCampaign) -> Stepped | None:
        step = await planning.lock_step(tx, command.campaign_id, command.seq)
        if step is None or step.status != "sending":
            return None
        window = await planning.look_at_window(tx, step.campaign_id)
        allowed = allowance(window, lane=step.lane, rate=step.rate, deadline=step.deadline)
        taken = await planning.take_planned(
            tx, step.campaign_id, deadline=step.deadline, limit=allowed.publish, times=self._times
        )
        page = await planning.cut(tx, step, batches=allowed.cut(len(taken)), size=allowed.size, times=self._times)
        if page.done:
            await complete_if_done(tx, step.campaign_id)
        else:
            following = PlanCampaign(campaign_id=step.campaign_id, seq=step.seq + 1)
            await add_command(tx, following, delayed=allowed.full)
        return Stepped(step.lane, allowed.room, taken + page.batches, cut=len(page.batches), done=page.done)

    async def _close(self, tx: Writer, command: CloseCampaign) -> list[BatchResult]:
        closed = await closing.close_slice(tx, command.campaign_id, self._times)
        if closed.more:
            await add_command(tx, command, delayed=not closed.results)
        return closed.results

    async def _start_due(self, tx: Writer) -> list[int]:
        found = await due.scheduled(tx)
        for campaign_id in found:
            await campaigns.send(tx, campaign_id)
        return found

    async def _command_lost_steps(self, tx: Writer, age: float | None) -> Lost:
        lost = Lost(await due.lost_steps(tx, min(age or self._times.step, self._times.step)), [])
        for campaign_id, seq in lost.steps:
            await add_command(tx, PlanCampaign(campaign_id=campaign_id, seq=seq))
        lost.closings.extend(await due.lost_closings(tx, self._times))
        for campaign_id in lost.closings:
            await add_command(tx, CloseCampaign(campaign_id=campaign_id))
        return lost

    async def _take(self, tx: Writer, campaign: Leftover) -> list[BatchReady]:
        window = await planning.look_at_window(tx, campaign.id)
        allowed = allowance(window, lane=campaign.lane, rate=campaign.rate, deadline=campaign.deadline)
        return await planning.take_planned(
            tx, campaign.id, deadline=campaign.deadline, limit=allowed.room, times=self._times
        )
