"""Queries of the results; each reads a bounded part of the ledger."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row

from shared.db import Reader
from shared.ledger.letters import NAMES

NAME = "case t.letter " + " ".join(f"when '{letter}' then '{name}'" for letter, name in NAMES.items()) + " end"
# Only what did not simply go well has a code, so the report, a large document, is not looked into for the others.
CODE = "case when t.letter in ('D', '?', 'R', 'U', 'X') then nullif(b.report -> (t.n - 1)::text ->> 0, '') end"

BATCHES = text("""
    select batch_no, lane, project_id as project, state, size, epoch, attempt, lost, doubt, since, due_at, finished_at,
           outcomes
      from campaign_batch
     where campaign_id = :id and batch_no > :after and (cast(:state as text) is null or state = :state)
     order by batch_no limit :limit
""")

# 1 µs for each position of a batch with failures, 10 µs for each failure: its device is looked up by primary key.
FAILURES = text(f"""
    select {NAME} as outcome, {CODE} as code, d.platform, count(*) as count
      from campaign_batch b
      join campaign_batch_distances v using (campaign_id, batch_no)
     cross join lateral unnest(v.distances, string_to_array(b.outcomes, null))
                        with ordinality as t (distance, letter, n)
      left join device d on d.id = b.first_id + t.distance
     where b.campaign_id = :id and b.outcomes ~ '[D?RUX]' and t.letter in ('D', '?', 'R', 'U', 'X')
     group by 1, 2, 3 order by count(*) desc, 1, 2, 3
""")  # noqa: S608 - names from our own vocabulary
SAMPLES = text("select code, sample from campaign_error where campaign_id = :id")

USER_DEVICES = text("select id, platform from device where user_id = :user_id order by id limit :limit")
DEVICE = text("select id, user_id, platform from device where id = :id")
# A campaign holds a device in one batch, and the ids of a batch lie between its first and its last: an index alone
# tells the few that may hold it, in 0.1 ms for a campaign to 1,000,000 devices. `offset 0` keeps PostgreSQL from
# joining all campaigns at once, which reads every batch.
PUSH_LOG = text(f"""
    select c.id as campaign_id, c.title, c.kind, c.status, c.sent_at, t.id as device_id, b.batch_no, b.state,
           b.attempt, b.finished_at, {NAME} as outcome, {CODE} as code
      from (select id, title, kind, status, sent_at from campaign
             where id < :before and sent_at is not null order by id desc limit :campaigns) as c
     cross join unnest(cast(:devices as bigint[])) as wanted (id)
     cross join lateral (
           select k.batch_no from campaign_batch k
            where k.campaign_id = c.id and k.last_id >= wanted.id and k.first_id <= wanted.id offset 0) as k
     cross join lateral (
           select b.*, v.distances from campaign_batch b join campaign_batch_distances v using (campaign_id, batch_no)
            where b.campaign_id = c.id and b.batch_no = k.batch_no offset 0) as b
     cross join lateral (
           select p.n, wanted.id, substr(b.outcomes, p.n, 1) as letter
             from (select array_position(b.distances, wanted.id - b.first_id) as n) as p
            where p.n is not null) as t
     order by c.id desc, t.id
""")  # noqa: S608 - names from our own vocabulary
SCANNED = text("""
    select min(id) as last, count(*) as n
      from (select id from campaign where id < :before and sent_at is not null order by id desc limit :campaigns) as c
""")

_EVENT = "campaign_id, campaign_seq, name, at, data, tx::text::bigint as tx"
EVENTS_OF = text(f"""
    select {_EVENT} from campaign_event
     where campaign_id = :id and campaign_seq > :after order by campaign_seq limit :limit
""")  # noqa: S608 - our own columns
# No transaction that is still open has a smaller number than the snapshot's xmin: what is below it is complete.
EVENTS = text(f"""
    select {_EVENT} from campaign_event
     where (tx, campaign_id, campaign_seq) > (cast(cast(:tx as text) as xid8), :campaign_id, :campaign_seq)
       and tx < pg_snapshot_xmin(pg_current_snapshot())
     order by tx, campaign_id, campaign_seq limit :limit
""")  # noqa: S608 - our own columns
NEWEST = text("select id, campaign_seq from campaign where id = any(cast(:ids as bigint[]))")
EVENTS_END = text("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 as tx")


async def batches(tx: Reader, campaign_id: int, *, after: int, state: str | None, limit: int) -> Sequence[Row[Any]]:
    """A campaign's batches in their order."""
    return await tx.all(BATCHES, {"id": campaign_id, "after": after, "state": state, "limit": limit})


async def failures(tx: Reader, campaign_id: int) -> Sequence[Row[Any]]:
    """Devices that failed, counted by outcome, code and platform."""
    return await tx.all(FAILURES, {"id": campaign_id})


async def samples(tx: Reader, campaign_id: int) -> Mapping[str, str]:
    """One answer's text for each code."""
    return {row.code: row.sample for row in await tx.all(SAMPLES, {"id": campaign_id})}


async def events_of(tx: Reader, campaign_id: int, *, after: int, limit: int) -> Sequence[Row[Any]]:
    """A campaign's events in their order; its row's lock numbers them, so a later one is never seen first."""
    return await tx.all(EVENTS_OF, {"id": campaign_id, "after": after, "limit": limit})


async def events(tx: Reader, *, after: tuple[int, int, int], limit: int) -> Sequence[Row[Any]]:
    """All campaigns' events in the order of their transactions, as far as that order is settled."""
    number, campaign_id, campaign_seq = after
    return await tx.all(
        EVENTS, {"tx": str(number), "campaign_id": campaign_id, "campaign_seq": campaign_seq, "limit": limit}
    )


async def newest_events(tx: Reader, campaign_ids: Sequence[int]) -> Mapping[int, int]:
    """The number of each campaign's newest event."""
    return {row.id: row.campaign_seq for row in await tx.all(NEWEST, {"ids": list(campaign_ids)})}


async def events_end(tx: Reader) -> tuple[int, int, int]:
    """The place behind everything that `events` shows now."""
    row = await tx.first(EVENTS_END)
    assert row is not None  # noqa: S101 - a select without from has a row
    return (int(row.tx), 2**63 - 1, 2**63 - 1)
