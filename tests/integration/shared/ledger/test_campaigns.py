"""Send, pause, resume, cancel: each possible in its states only, each with its consequences."""

import asyncio

import pytest
from sqlalchemy import text

from shared.ledger import campaigns
from tests.integration.shared.ledger.stage import Stage
from tests.support.eventually import eventually

EVERY_STATUS = ["draft", "scheduled", "sending", "paused", "cancelling", "completed", "cancelled", "failed"]
POSSIBLE = {
    "send": {"draft": "sending", "scheduled": "sending"},
    "pause": {"sending": "paused"},
    "resume": {"paused": "sending"},
    "cancel": {"draft": "cancelled", "scheduled": "cancelled", "sending": "cancelling", "paused": "cancelling"},
}


@pytest.mark.parametrize("verb", POSSIBLE)
async def test_a_verb_is_possible_in_its_states_only(stage: Stage, verb: str) -> None:
    """Elsewhere nothing is written: no event, no command."""
    for status in EVERY_STATUS:
        campaign_id = await stage.draft()
        await stage.run("update campaign set status = :status where id = :id", status=status, id=campaign_id)
        waiting = await stage.value("select count(*) from outbox")
        async with stage.database.write() as tx:
            changed = await getattr(campaigns, verb)(tx, campaign_id)
        after = (await stage.campaign(campaign_id)).status
        if status in POSSIBLE[verb]:
            assert changed.status == after == POSSIBLE[verb][status]
            assert len(await stage.events(campaign_id)) == 1
        else:
            assert changed is None
            assert after == status
            assert await stage.value("select count(*) from outbox") == waiting


@pytest.mark.parametrize("verb", POSSIBLE)
async def test_a_campaign_that_does_not_exist_cannot_be_changed(stage: Stage, verb: str) -> None:
    """None, as for a wrong state; its status is None too."""
    async with stage.database.write() as tx:
        assert await getattr(campaigns, verb)(tx, 999) is None
        assert await campaigns.status(tx, 999) is None


async def test_a_send_starts_the_plan_and_its_first_step(stage: Stage) -> None:
    """The audience's bound is frozen, the deadline set, one command queued."""
    devices = await stage.devices(3)
    campaign_id = await stage.sending(ttl=60)
    (plan,) = await stage.all("select * from campaign_plan")
    assert (plan.max_id, plan.seq, plan.cursor, plan.done) == (devices[-1], 0, 0, False)
    campaign = await stage.campaign(campaign_id)
    assert 59 < (campaign.deadline - campaign.sent_at).total_seconds() <= 61
    assert await stage.commands(campaign_id) == [("campaign.plan", {"campaign_id": campaign_id, "seq": 0})]


async def test_two_sends_at_once_start_it_once(stage: Stage) -> None:
    """An impatient operator clicks twice."""
    campaign_id = await stage.draft()

    async def send() -> bool:
        async with stage.database.write() as tx:
            return await campaigns.send(tx, campaign_id) is not None

    assert sorted(await asyncio.gather(send(), send(), send())) == [False, False, True]
    assert len(await stage.commands(campaign_id)) == 1


async def test_a_resume_commands_the_step_that_is_next(stage: Stage) -> None:
    """And makes what was given back publishable at once."""
    await stage.devices(4)
    campaign_id = await stage.sending()
    await stage.step(campaign_id, batches=1)
    await stage.pause(campaign_id)
    assert await stage.step(campaign_id) is None
    await stage.resume(campaign_id)
    assert (await stage.commands(campaign_id))[-1] == ("campaign.plan", {"campaign_id": campaign_id, "seq": 1})
    assert len(await stage.take_planned(campaign_id)) == 1


async def test_a_resume_of_a_campaign_that_is_planned_out_commands_no_step(stage: Stage) -> None:
    """Its leftovers are the timekeeper's."""
    (batch,) = await stage.planned(2)
    before = await stage.commands(batch.campaign_id)
    await stage.pause(batch.campaign_id)
    await stage.resume(batch.campaign_id)
    assert await stage.commands(batch.campaign_id) == before


async def test_a_cancel_commands_the_closing(stage: Stage) -> None:
    """One that has not started ends here instead."""
    campaign_id = await stage.sending()
    await stage.cancel(campaign_id)
    assert (await stage.commands(campaign_id))[-1] == ("campaign.close", {"campaign_id": campaign_id})
    draft = await stage.draft()
    await stage.cancel(draft)
    assert await stage.commands(draft) == []
    assert await stage.events(draft) == ["cancelled"]
    assert (await stage.campaign(draft)).completed_at is not None


async def test_a_resume_waits_for_a_merge_instead_of_deadlocking_with_it(stage: Stage) -> None:
    """Both lock batch rows first and the campaign's row after."""
    (batch,) = await stage.planned(2)
    await stage.pause(batch.campaign_id)

    async def resume_waits() -> bool:
        waiting = (
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        )
        return int(await stage.value(waiting)) == 1

    async with stage.database.write() as merge:
        await merge.all(text("select 1 from campaign_batch for no key update"))
        resuming = asyncio.create_task(stage.resume(batch.campaign_id))
        await eventually(resume_waits)
        await merge.run(text("update campaign set progress_at = now()"))
    changed = await resuming
    assert changed is not None
    assert changed.status == "sending"
