"""Planning: audience to batches, in steps that any planner may do and only one does.

A step runs only if its `seq` is the row's, and writes cursor, batches, counters and `seq + 1` in one transaction:
a repeated or forked step finds another seq and does nothing. Ids are cut into batches inside PostgreSQL.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from shared.contracts.messages import BatchReady
from shared.db import Reader, Writer
from shared.ledger import audiences, states
from shared.ledger.times import Times
from shared.topology import Lane

LOCK = text("""
    select p.seq, p.cursor, p.max_id, p.next_batch_no, c.status, c.priority, c.audience, c.rate, c.deadline
      from campaign_plan p join campaign c on c.id = p.campaign_id
     where p.campaign_id = :id and p.seq = :seq and not p.done
       for update of p skip locked
""")

WINDOW = text("""
    select count(*) filter (where state in ('queued', 'claimed', 'reported')) as open,
           count(*) filter (where state in ('planned', 'waiting')) as held
      from campaign_batch where campaign_id = :id and state <> 'finished'
""")

# The rate that a campaign may expect: its project's rate shared with the campaigns that send now.
FLOW = text("""
    select coalesce(sum(rate) filter (where circuit_reason is null
                                        and paused_until <= extract(epoch from clock_timestamp())), 0)::float8
           / greatest(1, (select count(*) from campaign where status = 'sending')) as flow
      from project
""")

# Each project's ids are sorted once and cut as one array; `parts` is materialized, or the whole array would be carried
# along, and copied, beside each of its parts.
_CUT = """
    with page as (
        select d.id, d.project_id from device d
         where d.active and d.id > :cursor and d.id <= :upto {audience}
         order by d.id limit :devices
    ), projects as (
        select project_id, array_agg(id order by id) as ids, count(*)::int as n from page group by project_id
    ), parts as materialized (
        select project_id, ids[start:start + :size - 1] as ids, ids[start] as first_id
          from projects cross join generate_series(1, n, :size) as start
    ), batches as materialized (
        select project_id, ids, first_id, ids[cardinality(ids)] as last_id, cardinality(ids) as n,
               :next_batch_no + row_number() over (order by first_id) - 1 as batch_no
          from parts
    ), rows as (
        insert into campaign_batch (campaign_id, batch_no, lane, project_id, size, outcomes, reported,
                                    first_id, last_id, due_at)
        select :id, batch_no, :lane, project_id, n, repeat('.', n), repeat('.', n), first_id, last_id,
               now() + make_interval(secs => :grace)
          from batches
    ), devices as (
        insert into campaign_batch_member (campaign_id, batch_no, near, far)
        select :id, batch_no,
               case when last_id - first_id < :near then
                    array(select (id - first_id)::smallint
                            from unnest(ids) with ordinality as t (id, n) order by n) end,
               case when last_id - first_id >= :near then
                    array(select id - first_id from unnest(ids) with ordinality as t (id, n) order by n) end
          from batches
    )
    select batch_no::int as batch_no, project_id, n as size, last_id from batches order by batch_no
"""
NEAR = 2**15
"""Batches that reach less far keep two bytes a device, its distance from the first; others keep eight, compressed."""
CUT_ALL = text(_CUT.format(audience=""))
REACH = 100_000
"""Ids that a step looks at when it has to look at each device: 0.05 to 0.5 s of PostgreSQL, however few are wanted."""

ADVANCE = text("""
    update campaign_plan
       set cursor = :cursor, seq = seq + 1, next_batch_no = :next_batch_no, done = :done, touched_at = now()
     where campaign_id = :id
""")
ADD = text("""
    update campaign
       set total = total + :n, pending = pending + :n,
           planned_at = case when :done then clock_timestamp() else planned_at end
     where id = :id
""")

TAKE_PLANNED = text("""
    update campaign_batch b
       set due_at = now() + make_interval(secs => :grace)
      from (select campaign_id, batch_no from campaign_batch
             where campaign_id = :id and state = 'planned' and due_at <= now()
             order by batch_no limit :limit for no key update skip locked) as t
     where b.campaign_id = t.campaign_id and b.batch_no = t.batch_no
    returning b.batch_no, b.epoch, b.size, b.lane, b.project_id
""")

STAMP = text(f"""
    update campaign_batch b
       set state = {states.PUBLISH.to}, since = now(), due_at = now() + make_interval(secs => :look)
      from unnest(cast(:numbers as integer[]), cast(:epochs as integer[])) as k (batch_no, epoch)
     where b.campaign_id = :id and b.batch_no = k.batch_no and b.epoch = k.epoch and b.state {states.PUBLISH.at}
""")  # noqa: S608 - states by their names


@dataclass(frozen=True, slots=True)
class Step:
    """A planning step that this transaction holds."""

    campaign_id: int
    seq: int
    cursor: int
    max_id: int
    next_batch_no: int
    status: str
    lane: Lane
    audience: dict[str, Any]
    rate: float | None
    deadline: datetime | None


@dataclass(frozen=True, slots=True)
class Window:
    """How much of a campaign is under way: `open` batches in the broker or unmerged, `held` planned or waiting."""

    open: int
    held: int
    flow: float


@dataclass(frozen=True, slots=True)
class Page:
    """What a step has cut; `done` when it was the audience's last."""

    batches: list[BatchReady]
    done: bool


async def lock_step(tx: Writer, campaign_id: int, seq: int) -> Step | None:
    """Take the step, or None when it is stale, done or in another planner's hands."""
    row = await tx.first(LOCK, {"id": campaign_id, "seq": seq})
    if row is None:
        return None
    return Step(
        campaign_id=campaign_id,
        seq=row.seq,
        cursor=row.cursor,
        max_id=row.max_id,
        next_batch_no=row.next_batch_no,
        status=row.status,
        lane=Lane(row.priority),
        audience=row.audience,
        rate=row.rate,
        deadline=row.deadline,
    )


async def look_at_window(tx: Reader, campaign_id: int) -> Window:
    """Count what is under way and tell the flow to expect, in messages a second."""
    counts = await tx.first(WINDOW, {"id": campaign_id})
    flow = await tx.first(FLOW)
    assert counts is not None and flow is not None  # noqa: S101, PT018 - aggregates always have a row
    return Window(open=counts.open, held=counts.held, flow=flow.flow)


async def cut(tx: Writer, step: Step, *, batches: int, size: int, times: Times) -> Page:
    """Cut up to `batches * size` devices into batches and advance the step; fewer than that means the end.

    Of an audience whose devices have to be looked for, a step sees `REACH` ids, and fewer means the end of these.
    """
    devices = batches * size
    condition = audiences.compile_audience(step.audience, steps=True)
    upto = await _upto(tx, step, condition, devices)
    cursor = step.cursor
    made: list[BatchReady] = []
    if batches > 0:
        statement = text(_CUT.format(audience=f"and {condition.sql}")) if condition.sql else CUT_ALL
        rows = await tx.all(
            statement,
            {
                "id": step.campaign_id,
                "cursor": step.cursor,
                "upto": upto,
                "devices": devices,
                "size": size,
                "next_batch_no": step.next_batch_no,
                "lane": str(step.lane),
                "near": NEAR,
                "grace": times.publish,
                **condition.values,
            },
        )
        made = [
            _reference(step.campaign_id, step.lane, step.deadline, row.batch_no, 0, row.size, row.project_id)
            for row in rows
        ]
        cursor = max((row.last_id for row in rows), default=cursor)
    taken = sum(batch.size for batch in made)
    reached = batches > 0 and taken < devices
    done = reached and upto == step.max_id
    await tx.run(
        ADVANCE,
        {
            "id": step.campaign_id,
            "cursor": upto if reached else cursor,
            "next_batch_no": step.next_batch_no + len(made),
            "done": done,
        },
    )
    if taken or done:
        await tx.run(ADD, {"id": step.campaign_id, "n": taken, "done": done})
    return Page(made, done=done)


async def _upto(tx: Reader, step: Step, condition: audiences.Condition, devices: int) -> int:
    """How far a step looks."""
    if condition.range:
        values = {**condition.values, "cursor": step.cursor, "devices": devices}
        row = await tx.first(text(condition.range), values)
        return step.max_id if row is None or row.upto is None else min(step.max_id, row.upto)
    return min(step.max_id, step.cursor + REACH) if condition.walks else step.max_id


async def take_planned(
    tx: Writer, campaign_id: int, *, deadline: datetime | None, limit: int, times: Times
) -> list[BatchReady]:
    """Take batches that wait to be published (given back, swept, resumed, or their planner died)."""
    rows = await tx.all(TAKE_PLANNED, {"id": campaign_id, "limit": limit, "grace": times.publish})
    return [
        _reference(campaign_id, Lane(row.lane), deadline, row.batch_no, row.epoch, row.size, row.project_id)
        for row in rows
    ]


async def stamp(tx: Writer, batches: Sequence[BatchReady], times: Times) -> None:
    """Mark one campaign's batches as queued, after the broker has confirmed them; a claim may have been quicker."""
    if batches:
        await tx.run(
            STAMP,
            {
                "id": batches[0].campaign_id,
                "numbers": [batch.batch_no for batch in batches],
                "epochs": [batch.epoch for batch in batches],
                "look": times.queued,
            },
        )


def _reference(
    campaign_id: int,
    lane: Lane,
    deadline: datetime | None,
    batch_no: int,
    epoch: int,
    size: int,
    project: str,
) -> BatchReady:
    return BatchReady(
        campaign_id=campaign_id,
        batch_no=batch_no,
        epoch=epoch,
        size=size,
        lane=lane.value,
        project=project,
        deadline=deadline,
    )
