"""Steering: changes of a running campaign (its rate, its lane), and the stop of everything.

A new rate applies to every claim from now on, and holders release at their next poll what they have not sent at the old
one. A new lane takes the batches that no sender holds: planned and queued batches go to a new epoch and are published
again, so that what the old lane still holds is stale. Batches that wait for a retry come back by the lane they left,
and book the new lane's share. Checked against the ledger's model: a batch that is planned or queued may move to a new
epoch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row

from shared.contracts.messages import PlanCampaign
from shared.db import Reader, Writer
from shared.ledger import states
from shared.ledger.campaigns import hold_sends, resume
from shared.ledger.events import record_event
from shared.outbox import add_command
from shared.topology import Lane

# What was given back until the old rate would allow it, and the clock that ran ahead at it.
DUE_NOW = text("update campaign_batch set due_at = now() where campaign_id = :id and state = 'planned'")
FORGET_PACE = text("delete from campaign_pace where campaign_id = :id")
# A step that runs with the old priority is waited for; one that begins meanwhile finds another seq.
NEXT_STEP = text("""
    update campaign_plan set seq = seq + 1, touched_at = now() where campaign_id = :id and not done returning seq
""")
LOCK_OPEN = text("""
    select batch_no from campaign_batch
     where campaign_id = :id and state in ('planned', 'queued', 'claimed', 'waiting')
     order by batch_no for no key update
""")
MOVE = text(f"""
    update campaign_batch
       set lane = :lane,
           epoch = epoch + case when state {states.CHANGE_LANE.at} then 1 else 0 end,
           due_at = case when state {states.CHANGE_LANE.at} then now() else due_at end,
           since = case when state {states.CHANGE_LANE.at} then now() else since end,
           state = case when state {states.CHANGE_LANE.at} then {states.CHANGE_LANE.to} else state end
     where campaign_id = :id and state in ('planned', 'queued', 'claimed', 'waiting')
""")  # noqa: S608 - states by their names
SET_COURSE = text("""
    update campaign set rate = :rate, priority = :lane, revision = revision + 1, steered = steered + :steered
     where id = :id and status in ('sending', 'paused') and revision = :revision
    returning status
""")

ADD_STOP = text("""
    insert into stop (scope, project_id, reason, created_by) values (:scope, :project, :reason, :by)
    returning id, created_at
""")
# Of a project: what has open batches there, and what is still being planned and may come there.
PAUSE_ALL = text(f"""
    update campaign c set status = {states.PAUSE.to}, stop_id = :stop
      from (select id from campaign s
             where s.status {states.PAUSE.at}
               and (cast(:project as text) is null or s.planned_at is null
                    or exists (select from campaign_batch b where b.campaign_id = s.id
                                  and b.state <> 'finished' and b.project_id = :project))
             order by id for no key update) as t
     where c.id = t.id
    returning c.id
""")  # noqa: S608 - states by their names
STOPS = text("""
    select s.id, s.scope, s.project_id as project, s.reason, s.created_by, s.created_at,
           array(select c.id from campaign c where c.stop_id = s.id and c.status = 'paused' order by c.id) as campaigns
      from stop s where s.undone_at is null order by s.id
""")
UNDO = text(
    "update stop set undone_at = clock_timestamp() where undone_at is null and id = any(cast(:ids as bigint[]))"
)


@dataclass(frozen=True, slots=True)
class Course:
    """How fast a campaign goes, in devices a second or as the quota allows, and by which lane."""

    rate: float | None
    lane: Lane


@dataclass(frozen=True, slots=True)
class Stopped:
    """A stop in force, and the campaigns that it holds."""

    id: int
    scope: str
    project: str | None
    campaigns: tuple[int, ...]


async def steer(tx: Writer, campaign_id: int, *, before: Course, after: Course, revision: int) -> bool:
    """Change the course of a campaign under way that is at `revision`; when False, nothing may be committed."""
    step = None
    if after.lane is not before.lane:
        step = await tx.first(NEXT_STEP, {"id": campaign_id})
        await tx.all(LOCK_OPEN, {"id": campaign_id})
        await tx.run(MOVE, {"id": campaign_id, "lane": str(after.lane)})
    if after.rate != before.rate:
        await tx.run(DUE_NOW, {"id": campaign_id})
        await tx.run(FORGET_PACE, {"id": campaign_id})
    row = await tx.first(
        SET_COURSE,
        {
            "id": campaign_id,
            "rate": after.rate,
            "lane": str(after.lane),
            "steered": int(after.rate != before.rate),
            "revision": revision,
        },
    )
    if row is None:
        return False
    if step is not None and row.status == "sending":
        await add_command(tx, PlanCampaign(campaign_id=campaign_id, seq=step.seq))
    await record_event(tx, campaign_id, "steered", {"rate": after.rate, "priority": str(after.lane)})
    return True


async def stop_all(tx: Writer, *, project: str | None, reason: str, by: str) -> Stopped:
    """Pause every sending campaign, or those of one project; of the system, nothing is sent until it is undone."""
    await hold_sends(tx)
    scope = "system" if project is None else "project"
    stop = await tx.first(ADD_STOP, {"scope": scope, "project": project, "reason": reason, "by": by})
    assert stop is not None  # noqa: S101 - insert returning has a row
    paused = sorted(row.id for row in await tx.all(PAUSE_ALL, {"stop": stop.id, "project": project}))
    for campaign_id in paused:
        await record_event(tx, campaign_id, "paused", {"stop": stop.id, "reason": reason})
    return Stopped(stop.id, scope, project, tuple(paused))


async def stops(tx: Reader) -> Sequence[Row[Any]]:
    """Every stop in force, the oldest first."""
    return await tx.all(STOPS)


async def resume_all(tx: Writer, stop_id: int | None) -> list[Stopped]:
    """Undo one stop, or all in force: resume what they paused and nothing else."""
    await hold_sends(tx)
    undone = [
        Stopped(row.id, row.scope, row.project, tuple(row.campaigns))
        for row in await stops(tx)
        if stop_id is None or row.id == stop_id
    ]
    for campaign_id in sorted(campaign_id for stop in undone for campaign_id in stop.campaigns):
        await resume(tx, campaign_id)
    await tx.run(UNDO, {"ids": [stop.id for stop in undone]})
    return undone
