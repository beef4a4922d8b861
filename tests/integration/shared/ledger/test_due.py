"""What the timekeeper finds: schedules, lost commands, leftovers."""

from shared.ledger import due
from tests.integration.shared.ledger.stage import Stage


async def test_a_schedule_is_due_at_its_time(stage: Stage) -> None:
    """Not before, and not for a draft."""
    ripe, early = await stage.draft(), await stage.draft()
    await stage.draft()
    schedule = "update campaign set status = 'scheduled', scheduled_at = now() + {} where id = :id"
    await stage.run(schedule.format("interval '-1 second'"), id=ripe)
    await stage.run(schedule.format("interval '1 minute'"), id=early)
    async with stage.database.write() as tx:
        assert await due.scheduled(tx) == [ripe]
        async with stage.database.write() as other:
            assert await due.scheduled(other) == []


async def test_a_step_that_nobody_touched_is_commanded_again_once(stage: Stage) -> None:
    """With its current seq; touching it gives it another minute."""
    await stage.devices(4)
    campaign_id = await stage.sending()
    await stage.step(campaign_id, batches=1)
    async with stage.database.write() as tx:
        assert await due.lost_steps(tx, stage.times.step) == []
    await stage.run("update campaign_plan set touched_at = now() - interval '61 seconds'")
    async with stage.database.write() as tx:
        assert await due.lost_steps(tx, stage.times.step) == [(campaign_id, 1)]
    async with stage.database.write() as tx:
        assert await due.lost_steps(tx, stage.times.step) == []


async def test_only_a_sending_campaign_that_is_not_planned_out_has_a_lost_step(stage: Stage) -> None:
    """A paused one gets its step with the resume."""
    (batch,) = await stage.planned(2)
    paused = await stage.sending()
    await stage.pause(paused)
    await stage.run("update campaign_plan set touched_at = now() - interval '1 hour'")
    async with stage.database.write() as tx:
        assert await due.lost_steps(tx, stage.times.step) == []
        assert await due.lost_closings(tx, stage.times) == []
    await stage.cancel(batch.campaign_id)
    async with stage.database.write() as tx:
        assert await due.lost_closings(tx, stage.times) == [batch.campaign_id]


async def test_leftovers_are_planned_batches_that_no_step_will_publish(stage: Stage) -> None:
    """A campaign with steps left publishes its own."""
    done = await stage.planned(2)
    await stage.devices(4)
    running = await stage.sending()
    await stage.step(running, batches=1)
    async with stage.database.read() as tx:
        assert await due.leftovers(tx) == []
    await stage.age(done[0].campaign_id)
    await stage.age(running)
    async with stage.database.read() as tx:
        assert [campaign.id for campaign in await due.leftovers(tx)] == [done[0].campaign_id]
