"""Completion: one guarded update that the planner's last page, cancel, resume and every merge end with.

The transaction that makes the last condition true completes the campaign, once, and records the one final event. So a
campaign also completes when its audience is empty, or when its last batch ends before its planning.
"""

from sqlalchemy import text

from shared.db import Writer
from shared.ledger import states
from shared.ledger.events import record_event
from shared.ledger.letters import NAMES

COMPLETE = text(f"""
    update campaign
       set status = case when status {states.END_CANCEL.at} then {states.END_CANCEL.to} else {states.COMPLETE.to} end,
           completed_at = clock_timestamp()
     where id = :id and planned_at is not null and pending = 0
       and (status {states.COMPLETE.at} or status {states.END_CANCEL.at})
    returning status, total, not_planned, pending, skipped, cancelled, expired, dead, unknown, rejected,
              unregistered, accepted
""")  # noqa: S608 - states by their names


async def complete_if_done(tx: Writer, campaign_id: int) -> bool:
    """Complete the campaign if nothing is pending; True for the one caller that did."""
    row = await tx.first(COMPLETE, {"id": campaign_id})
    if row is None:
        return False
    counters = {name: getattr(row, name) for name in NAMES.values()}
    await record_event(
        tx,
        campaign_id,
        row.status,
        {"total": row.total, "not_planned": row.not_planned, "outcomes": counters, "balanced": True},
    )
    return True
