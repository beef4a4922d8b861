"""Claim: one transaction that books the quota and makes a batch a sender's own until its lease ends.

A batch may be claimed at exactly the epoch that its message names, from `planned`, `queued` or `waiting`, while its
campaign is sending. Everything else is no claim: a duplicate, a message of an epoch that is over, a held batch.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Row

from shared.contracts.messages import BatchReady
from shared.db import Writer
from shared.errors import CarillonError
from shared.ledger import letters, projects, states
from shared.ledger.times import Times
from shared.topology import Lane

PACE_TOLERANCE = 0.75
"""Seconds that a campaign with a rate of its own may book ahead where its project's quota delays it as long: like the
high lane, for the same reasons. Where the quota is free, it books a tenth of a second ahead."""

OVERDUE = 1.0
"""Seconds that writing the claim may take after its booking. Later, its place in the quota is gone, and what starts now
comes on top of what others have booked for now: a lock on the batches' table that ends lets one batch of each project
through so."""

FIND = text(f"""
    select b.state, b.size, b.lane, b.project_id, b.outcomes, b.reported, b.attempt, b.doubt,
           c.status, c.rate, c.delivery, c.max_attempts, c.deadline, c.accepted > 0 as proven, c.steered, c.kind,
           coalesce(c.deadline <= clock_timestamp(), false) as expired
      from campaign_batch b join campaign c on c.id = b.campaign_id
     where b.campaign_id = :campaign_id and b.batch_no = :batch_no and b.epoch = :epoch
       and b.state {states.CLAIM.at}
       for no key update of b
""")  # noqa: S608 - states by their names

GIVE_BACK = text(f"""
    update campaign_batch b
       set state = {states.GIVE_BACK.to}, epoch = epoch + 1, since = now(),
           due_at = least(now() + make_interval(secs => :wait), c.deadline)
      from campaign c
     where b.campaign_id = :campaign_id and b.batch_no = :batch_no and b.epoch = :epoch and c.id = b.campaign_id
""")  # noqa: S608 - states by their names


PACE = text("""
    insert into campaign_pace as p (campaign_id) values (:campaign_id)
        on conflict (campaign_id) do update set tat = p.tat
    returning tat, extract(epoch from clock_timestamp())::float8 as now
""")

BOOK_PACE = text("update campaign_pace set tat = :tat where campaign_id = :campaign_id")

NOW = text("select extract(epoch from clock_timestamp())::float8 as now")

# The claim and its targets, in one round trip to PostgreSQL. 500 primary keys: 1 ms. A device that is gone, inactive or
# suppressed has no row here, and its position is skipped; so has one that has become another user's since a campaign
# for users was sent. Suppression costs nothing while its lists are empty, else 0.5 ms each: `offset 0` keeps PostgreSQL
# from hashing a list of any length for 500 devices.
CLAIM = text(f"""
      with claimed as (
               update campaign_batch
                  set state = {states.CLAIM.to}, holder = :holder, since = now(), lease_until = :lease_until,
                      due_at = to_timestamp(:lease_until)
                where campaign_id = :campaign_id and batch_no = :batch_no and epoch = :epoch
            returning campaign_id, batch_no, first_id)
    select t.n - 1 as position, d.target_kind as kind, d.target as value, d.target_hash as hash, d.platform
      from claimed join campaign_batch_distances b using (campaign_id, batch_no)
     cross join lateral unnest(b.distances) with ordinality as t (distance, n)
      join device d on d.id = claimed.first_id + t.distance and d.active
     where not ((select exists (select from suppressed_user))
                and exists (select from suppressed_user s where s.user_id = d.user_id offset 0))
       and not ((select exists (select from suppressed_device))
                and exists (select from suppressed_device s where s.target_hash = d.target_hash offset 0))
       and (d.moved_at < (select c.sent_at from campaign c where c.id = :campaign_id and c.personal)) is not false
""")  # noqa: S608 - states by their names


class Target(NamedTuple):
    """Where one push goes; `hash` guards deactivation against a token refreshed meanwhile.

    A row of `CLAIM` as it comes: there are thousands a second.
    """

    position: int
    kind: str
    value: str
    hash: bytes
    platform: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch that a sender holds.

    `start_in`, `stop_in`: seconds from `booked_at`, the claim by PostgreSQL's clock, until the first request may start
    and until the last one may.
    `limit`: how many positions may be sent now. `pace`: messages a second. `expired`: past the deadline, send nothing.
    `probe`: one message to a project that FCM refused. `blocked`: platforms that FCM refuses; they
    wait. `probing`: of these, platforms that get one message.
    `proven`: FCM has accepted this campaign's payload for some device.
    `steered`: how often the campaign's rate has been changed so far.
    `validate_only`: a dry run; FCM is asked what it would do, and nothing beyond the campaign learns from it.
    """

    campaign_id: int
    batch_no: int
    epoch: int
    size: int
    lane: Lane
    project: str
    holder: str
    outcomes: str
    reported: str
    attempt: int
    max_attempts: int
    doubt: bool
    at_most_once: bool
    proven: bool
    deadline: datetime | None
    expired: bool
    booked_at: float
    start_in: float
    stop_in: float
    pace: float
    limit: int
    probe: bool
    blocked: frozenset[str]
    probing: frozenset[str]
    targets: tuple[Target, ...] = field(repr=False)
    steered: int = 0
    validate_only: bool = False

    @property
    def open_positions(self) -> list[int]:
        """Positions that may be sent under this claim."""
        return letters.open_positions(self.outcomes, self.reported)


class NoClaim(StrEnum):
    """Why a message gives no claim: ack it, send nothing."""

    STALE = "stale"
    PAUSED = "paused"
    CLOSING = "closing"


class OverdueError(CarillonError):
    """Raised when the place in the quota went by before the claim was written; nothing may be committed."""


@dataclass(frozen=True, slots=True)
class NotYet:
    """The quota is booked out, or the project is paused; nothing was written. Ask again in `wait` seconds.

    `own`: it is the campaign's own rate that says so; other campaigns may go on. `stopped`: the project sends nothing
    for now; other projects may go on.
    """

    wait: float
    own: bool = False
    stopped: bool = False


async def claim(
    tx: Writer, batch: BatchReady, *, holder: str, times: Times, late: bool = False
) -> Claim | NoClaim | NotYet:
    """Claim the batch at the message's epoch for `holder`.

    Raises `OverdueError` when writing it took longer than `OVERDUE`, unless it may be `late`: roll back, claim anew.
    """
    key = {"campaign_id": batch.campaign_id, "batch_no": batch.batch_no, "epoch": batch.epoch}
    row = await tx.first(FIND, key)
    if row is None:
        return NoClaim.STALE
    if row.status == "paused":
        await give_back(tx, batch, wait=0.0)
        return NoClaim.PAUSED
    if row.status != "sending":
        return NoClaim.CLOSING
    waiting = len(letters.open_positions(row.outcomes, row.reported))
    if row.expired:
        now = await tx.first(NOW)
        assert now is not None  # noqa: S101 - a select without from has a row
        booking = _Booking(
            start=now.now, wait=0.0, pace=1.0, limit=0, probe=False, blocked=frozenset(), probing=frozenset()
        )
    else:
        denied_or_booked = await _book(tx, batch, row, waiting, times)
        if isinstance(denied_or_booked, NotYet):
            return denied_or_booked
        booking = denied_or_booked
    claimed = {**key, "holder": holder, "lease_until": booking.start + times.lease}
    booked = asyncio.get_running_loop().time()
    targets = await tx.all(CLAIM, claimed)
    if not late and asyncio.get_running_loop().time() - booked > OVERDUE:
        raise OverdueError
    return Claim(
        campaign_id=batch.campaign_id,
        batch_no=batch.batch_no,
        epoch=batch.epoch,
        size=row.size,
        lane=Lane(row.lane),
        project=row.project_id,
        holder=holder,
        outcomes=row.outcomes,
        reported=row.reported,
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        doubt=row.doubt,
        at_most_once=row.delivery == "at_most_once",
        proven=row.proven,
        deadline=row.deadline,
        expired=row.expired,
        booked_at=booking.start - booking.wait,
        start_in=booking.wait,
        stop_in=booking.wait + times.lease - times.margin,
        pace=booking.pace,
        limit=booking.limit,
        probe=booking.probe,
        blocked=booking.blocked,
        probing=booking.probing,
        targets=() if row.expired else tuple(map(Target._make, targets)),
        steered=row.steered,
        validate_only=row.kind == "dry_run",
    )


async def give_back(tx: Writer, batch: BatchReady, *, wait: float) -> None:
    """Return an unclaimed batch to the planner, to be published again after `wait` seconds at its next epoch.

    Or at the campaign's deadline if that is sooner: whatever wait FCM asks for, expiry must be recorded in time.
    Its epoch is over because its message is: a sender may be quicker than the stamp of the planner that published it,
    which would mark a batch as `queued` that is in no queue.
    """
    key = {"campaign_id": batch.campaign_id, "batch_no": batch.batch_no, "epoch": batch.epoch}
    if await tx.first(FIND, key) is not None:
        await tx.run(GIVE_BACK, {**key, "wait": wait})


@dataclass(frozen=True, slots=True)
class _Booking:
    start: float
    wait: float
    pace: float
    limit: int
    probe: bool
    blocked: frozenset[str]
    probing: frozenset[str]


async def _book(tx: Writer, batch: BatchReady, row: Row[Any], waiting: int, times: Times) -> _Booking | NotYet:
    """Book the campaign's own rate, then the project's quota; nothing is written on a denial."""
    own_wait, limit, base = 0.0, waiting, None
    if row.rate is not None:
        pace = await tx.first(PACE, {"campaign_id": batch.campaign_id})
        assert pace is not None  # noqa: S101 - an upsert returns its row
        base = max(pace.tat, pace.now)
        own_wait = base - pace.now
        if own_wait > PACE_TOLERANCE:
            return NotYet(own_wait - PACE_TOLERANCE, own=True)
        limit = min(waiting, times.fits(row.rate))
    turn = await projects.take_turn(
        tx, row.project_id, lane=Lane(row.lane), messages=limit, times=times, own_wait=own_wait
    )
    if isinstance(turn, projects.Wait):
        return NotYet(turn.seconds, own=turn.own, stopped=turn.stopped)
    wait = max(turn.wait, own_wait)
    if base is not None:
        # From its start, which the project's quota may have put off: the next batch must not begin in its middle.
        start = max(base, turn.now + wait)
        await tx.run(BOOK_PACE, {"campaign_id": batch.campaign_id, "tat": start + turn.messages / row.rate})
    return _Booking(
        start=turn.now + wait,
        wait=wait,
        pace=min(turn.rate, row.rate or turn.rate),
        limit=turn.messages,
        probe=turn.probe,
        blocked=turn.blocked,
        probing=turn.probing,
    )
