"""A campaign under way takes another course; everything is stopped and resumed."""

import asyncio

from shared.ledger import campaigns, due, steering
from shared.ledger.claiming import Claim, NoClaim, NotYet
from shared.ledger.steering import Course, Stopped
from shared.topology import Lane
from tests.integration.shared.ledger.stage import Stage
from tests.support.eventually import eventually

NORMAL = Course(None, Lane.NORMAL)


async def steer(stage: Stage, campaign_id: int, after: Course, *, before: Course = NORMAL, revision: int = 0) -> bool:
    """Change a campaign's course."""
    async with stage.database.write() as tx:
        return await steering.steer(tx, campaign_id, before=before, after=after, revision=revision)


async def stop(stage: Stage, project: str | None = None) -> Stopped:
    """Stop everything."""
    async with stage.database.write() as tx:
        return await steering.stop_all(tx, project=project, reason="wrong price", by="operator")


async def resume_all(stage: Stage, stop_id: int | None = None) -> list[Stopped]:
    """Undo stops."""
    async with stage.database.write() as tx:
        return await steering.resume_all(tx, stop_id)


async def test_another_lane_takes_what_nobody_holds_to_a_new_epoch(stage: Stage) -> None:
    """What the old lane still holds is stale; the new lane's message is claimed, at the new lane's share."""
    planned, queued = await stage.planned(4)
    await stage.stamp(queued)
    assert await steer(stage, queued.campaign_id, Course(None, Lane.LOW))
    assert await stage.claim(queued) is NoClaim.STALE
    assert await stage.claim(planned) is NoClaim.STALE
    again = await stage.take_planned(queued.campaign_id)
    assert [(batch.batch_no, batch.epoch, batch.lane) for batch in again] == [(0, 1, "low"), (1, 1, "low")]
    assert stage.granted(await stage.claim(again[1])).lane is Lane.LOW


async def test_a_stamp_that_comes_late_does_not_hide_the_move(stage: Stage) -> None:
    """The planner had published to the old lane when the priority changed."""
    (batch, _) = await stage.planned(4)
    await steer(stage, batch.campaign_id, Course(None, Lane.HIGH))
    await stage.stamp(batch)
    assert (await stage.batch(batch.campaign_id)).state == "planned"


async def test_who_holds_a_batch_keeps_it_and_its_retry_books_the_new_lane(stage: Stage) -> None:
    """A change of lane costs no lease and no attempt."""
    claim = await stage.claimed(2)
    await steer(stage, claim.campaign_id, Course(None, Lane.HIGH))
    epoch = await stage.release(claim, "A.", retry_after=10.0)
    assert epoch == claim.epoch + 1
    row = await stage.batch(claim.campaign_id)
    assert (row.state, row.lane) == ("waiting", "high")


async def test_the_planner_goes_on_in_the_new_lane(stage: Stage) -> None:
    """A step that was commanded with the old one is stale; the next is commanded."""
    await stage.devices(6)
    campaign_id = await stage.sending()
    await stage.step(campaign_id, batches=1)
    await steer(stage, campaign_id, Course(None, Lane.HIGH))
    assert await stage.step(campaign_id, 1) is None
    assert (await stage.commands(campaign_id))[-1] == ("campaign.plan", {"campaign_id": campaign_id, "seq": 2})
    page = await stage.step(campaign_id, 2)
    assert page is not None
    assert {batch.lane for batch in page.batches} == {"high"}


async def test_another_rate_holds_from_the_next_claim_on(stage: Stage) -> None:
    """What was booked and given back at the old rate is forgotten; holders see that it has changed."""
    first, second = await stage.planned(4, rate=0.01)
    before = Course(0.01, Lane.NORMAL)
    held = stage.granted(await stage.claim(first))
    assert isinstance(await stage.claim(second), NotYet)
    assert await steer(stage, first.campaign_id, Course(1000.0, Lane.NORMAL), before=before)
    claim = stage.granted(await stage.claim(second))
    assert (claim.pace, claim.limit) == (1000.0, 2)
    assert claim.steered == held.steered + 1


async def test_a_course_is_changed_as_it_was_seen_or_not_at_all(stage: Stage) -> None:
    """Two operators at once: the second has seen an older revision."""
    (batch,) = await stage.planned(2)
    assert await steer(stage, batch.campaign_id, Course(5.0, Lane.NORMAL))
    assert not await steer(stage, batch.campaign_id, Course(9.0, Lane.NORMAL))
    assert (await stage.campaign(batch.campaign_id)).rate == 5.0
    assert await stage.events(batch.campaign_id) == ["started", "steered"]


async def test_a_campaign_that_has_ended_takes_no_course(stage: Stage) -> None:
    """Nor does a draft: that one is edited."""
    draft = await stage.draft()
    assert not await steer(stage, draft, Course(5.0, Lane.NORMAL))


async def test_a_stop_pauses_what_sends_and_its_undoing_resumes_just_that(stage: Stage) -> None:
    """Who was paused before stays paused; who was resumed or cancelled by itself is left alone."""
    await stage.devices(2)
    sending, paused, resumed, cancelled = [await stage.sending() for _ in range(4)]
    await stage.pause(paused)
    stopped = await stop(stage)
    assert stopped.campaigns == (sending, resumed, cancelled)
    await stage.resume(resumed)
    await stage.cancel(cancelled)
    (undone,) = await resume_all(stage)
    assert undone.campaigns == (sending,)
    statuses = [(await stage.campaign(id_)).status for id_ in (sending, paused, resumed, cancelled)]
    assert statuses == ["sending", "paused", "sending", "cancelling"]
    assert await resume_all(stage) == []


async def test_a_stop_of_a_project_leaves_the_others_alone(stage: Stage) -> None:
    """But pauses what is still being planned, which may come there."""
    await stage.run("insert into project (id) values ('other')")
    (here,) = await stage.planned(2)
    await stage.run("update device set active = false")
    await stage.devices(2, project="other")
    elsewhere = await stage.sending()
    await stage.step(elsewhere, batches=100)
    unplanned = await stage.sending()
    stopped = await stop(stage, "default")
    assert stopped.campaigns == (here.campaign_id, unplanned)
    assert await stage.value("select count(*) from campaign where status = 'sending'") == 1


async def test_nothing_is_sent_while_the_system_is_stopped(stage: Stage) -> None:
    """Neither by request nor by schedule; what came due meanwhile is sent when the stop is undone."""
    await stop(stage)
    draft, scheduled = await stage.draft(), await stage.draft()
    await stage.run(
        "update campaign set status = 'scheduled', scheduled_at = now() - interval '1 hour' where id = :id",
        id=scheduled,
    )
    async with stage.database.write() as tx:
        assert await campaigns.send(tx, draft) is None
        assert await due.scheduled(tx) == []
    await resume_all(stage)
    async with stage.database.write() as tx:
        assert await due.scheduled(tx) == [scheduled]
        assert await campaigns.send(tx, draft) is not None


async def test_a_send_that_a_stop_does_not_see_yet_is_waited_for(stage: Stage) -> None:
    """So no campaign slips through between the two."""
    draft = await stage.draft()

    async def somebody_waits() -> bool:
        waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        return bool(await stage.value(waiting))

    async with stage.database.write() as sending:
        await campaigns.send(sending, draft)
        stopping = asyncio.create_task(stop(stage))
        await eventually(somebody_waits)
    assert (await stopping).campaigns == (draft,)
    assert (await stage.campaign(draft)).status == "paused"


async def test_a_paused_campaign_can_change_its_lane(stage: Stage) -> None:
    """No step is commanded before it is resumed."""
    (batch,) = await stage.planned(2)
    await stage.stamp(batch)
    await stage.pause(batch.campaign_id)
    before = await stage.commands(batch.campaign_id)
    await steer(stage, batch.campaign_id, Course(None, Lane.HIGH))
    assert await stage.commands(batch.campaign_id) == before
    await stage.resume(batch.campaign_id)
    (again,) = await stage.take_planned(batch.campaign_id)
    claim = await stage.claim(again)
    assert isinstance(claim, Claim)
    assert claim.lane is Lane.HIGH
