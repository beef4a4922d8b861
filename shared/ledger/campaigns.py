"""What happens to a whole campaign: send, pause, resume, cancel. Each is one guarded update and its consequences.

All return None when the campaign was not in a state for it; the caller asks `status` and says what is possible.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row

from shared.contracts.messages import CloseCampaign, PlanCampaign
from shared.db import Reader, Writer
from shared.ledger import audiences, states
from shared.ledger.completion import complete_if_done
from shared.ledger.events import record_event
from shared.outbox import add_command

SEND = text(f"""
    update campaign
       set status = {states.SEND.to}, sent_at = clock_timestamp(),
           deadline = clock_timestamp() + make_interval(secs => ttl_seconds),
           personal = audience ->> 'kind' in ('users', 'list') or exists (
               select from campaign base
                where campaign.audience ->> 'kind' = 'follow_up'
                  and base.id = cast(campaign.audience ->> 'campaign_id' as bigint) and base.personal)
     where id = :id and status {states.SEND.at}
       and not exists (select from stop where scope = 'system' and undone_at is null)
    returning id, status, priority, deadline,
              audience ->> 'kind' in ('list', 'segment') or audience -> 'exclude' is not null as to_freeze
""")  # noqa: S608 - states by their names
# A send that a stop of everything does not see must see the stop: they exclude each other until they commit.
SHARE_SENDS = text("select pg_advisory_xact_lock_shared(:key)")
HOLD_SENDS = text("select pg_advisory_xact_lock(:key)")
START_PLAN = text("""
    insert into campaign_plan (campaign_id, max_id) select :id, coalesce(max(id), 0) from device returning seq
""")
PAUSE = text(f"""
    update campaign set status = {states.PAUSE.to} where id = :id and status {states.PAUSE.at}
    returning id, status, priority, deadline
""")  # noqa: S608 - states by their names
RESUME = text(f"""
    update campaign set status = {states.RESUME.to}, stopped = null, stop_id = null
     where id = :id and status {states.RESUME.at}
    returning id, status, priority, deadline
""")  # noqa: S608 - states by their names
CANCEL = text(f"""
    update campaign set status = {states.CANCEL.to} where id = :id and status {states.CANCEL.at}
    returning id, status, priority, deadline
""")  # noqa: S608 - states by their names
CANCEL_UNSENT = text(f"""
    update campaign
       set status = {states.CANCEL_UNSENT.to}, completed_at = clock_timestamp(), planned_at = clock_timestamp()
     where id = :id and status {states.CANCEL_UNSENT.at}
    returning id, status, priority, deadline
""")  # noqa: S608 - states by their names
STOP = text(f"""
    update campaign set status = {states.PAUSE.to}, stopped = cast(:reason as jsonb)
     where id = :id and status {states.PAUSE.at} and accepted = 0
    returning id, status, priority, deadline
""")  # noqa: S608 - states by their names
PLAN = text("select seq, done from campaign_plan where campaign_id = :id")
# Before the campaign's own row: the ledger locks batch rows first, everywhere.
PLANNED_DUE = text("""
    update campaign_batch set due_at = now()
     where campaign_id = :id and state = 'planned'
       and exists (select from campaign where id = :id and status = 'paused')
""")
STATUS = text("select status from campaign where id = :id")

SENDS = 0x0CA2_1111
"""Key of the advisory lock between sends, which share it, and a stop of everything."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A campaign after a change of state."""

    id: int
    status: str
    priority: str
    deadline: datetime | None


async def send(tx: Writer, campaign_id: int) -> Changed | None:
    """Start a draft or scheduled campaign: freeze its audience and command the first planning step.

    None also while everything is stopped.
    """
    await tx.run(SHARE_SENDS, {"key": SENDS})
    row = await tx.first(SEND, {"id": campaign_id})
    if row is None:
        return None
    if row.to_freeze:
        await audiences.freeze(tx, campaign_id)
    await tx.run(START_PLAN, {"id": campaign_id})
    await record_event(tx, campaign_id, "started", {"priority": row.priority})
    await add_command(tx, PlanCampaign(campaign_id=campaign_id, seq=0))
    return _changed(row)


async def hold_sends(tx: Writer) -> None:
    """Let no send commit before this transaction does; wait for those that are under way."""
    await tx.run(HOLD_SENDS, {"key": SENDS})


async def pause(tx: Writer, campaign_id: int) -> Changed | None:
    """Stop a sending campaign: unclaimed batches go back to planned, holders release what they have not sent."""
    row = await tx.first(PAUSE, {"id": campaign_id})
    if row is None:
        return None
    await record_event(tx, campaign_id, "paused", {})
    return _changed(row)


async def stop(tx: Writer, campaign_id: int, reason: dict[str, str]) -> Changed | None:
    """Pause a campaign whose payload FCM refuses before anything of it was accepted; `reason` shows the answer."""
    row = await tx.first(STOP, {"id": campaign_id, "reason": json.dumps(reason)})
    if row is None:
        return None
    await record_event(tx, campaign_id, "stopped", dict(reason))
    return _changed(row)


async def resume(tx: Writer, campaign_id: int) -> Changed | None:
    """Let a paused campaign go on from where it is."""
    await tx.run(PLANNED_DUE, {"id": campaign_id})
    row = await tx.first(RESUME, {"id": campaign_id})
    if row is None:
        return None
    await record_event(tx, campaign_id, "resumed", {})
    plan = await tx.first(PLAN, {"id": campaign_id})
    if plan is not None and not plan.done:
        await add_command(tx, PlanCampaign(campaign_id=campaign_id, seq=plan.seq))
    await complete_if_done(tx, campaign_id)
    return _changed(row)


async def cancel(tx: Writer, campaign_id: int) -> Changed | None:
    """End a campaign: what was never sent becomes `C`; one that has not started ends here."""
    row = await tx.first(CANCEL_UNSENT, {"id": campaign_id})
    if row is not None:
        await record_event(tx, campaign_id, "cancelled", {"total": 0})
        return _changed(row)
    row = await tx.first(CANCEL, {"id": campaign_id})
    if row is None:
        return None
    await record_event(tx, campaign_id, "cancelling", {})
    await add_command(tx, CloseCampaign(campaign_id=campaign_id))
    return _changed(row)


async def status(tx: Reader, campaign_id: int) -> str | None:
    """The campaign's status, None when there is no such campaign."""
    row = await tx.first(STATUS, {"id": campaign_id})
    return None if row is None else str(row.status)


def _changed(row: Row[Any]) -> Changed:
    return Changed(row.id, row.status, row.priority, row.deadline)
