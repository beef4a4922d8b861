"""Release: the sender gives the batch back with what it knows, and the epoch moves on.

After a release nothing that names the old epoch can act: not a duplicate of the message, not this sender. A sender
whose lease was taken over finds no row; it is fenced, and publishes its outcomes (they are facts), never a retry.
"""

import json
from dataclasses import dataclass, field

from sqlalchemy import text

from shared.db import Writer
from shared.ledger import letters, states
from shared.ledger.claiming import Claim
from shared.ledger.times import Times

RELEASE = text(f"""
    update campaign_batch
       set state = :state, epoch = epoch + 1, reported = :reported, attempt = :attempt, doubt = :doubt,
           report = case when cast(:report as jsonb) is null then report
                         else coalesce(report, '{{}}') || cast(:report as jsonb) end,
           holder = null, lease_until = null, since = now(), due_at = now() + make_interval(secs => :due)
     where campaign_id = :campaign_id and batch_no = :batch_no and epoch = :epoch and holder = :holder
       and state {states.REPORT.at}
    returning epoch
""")  # noqa: S608 - states by their names


@dataclass(frozen=True, slots=True)
class Release:
    """What a sender knows at the end of a claim.

    `outcomes`: a letter per position of this claim, `.` where it must be sent (again). `retry_after`: seconds until
    the next attempt, None when nothing is open. `attempt`: attempts made so far. `unanswered`: a request left and
    nobody answered, and it may be repeated. `codes` and `dead` as in `BatchResult`.
    """

    outcomes: str
    retry_after: float | None
    attempt: int
    unanswered: bool = False
    codes: dict[int, str] = field(default_factory=dict)
    dead: dict[int, str] = field(default_factory=dict)


async def release(tx: Writer, claim: Claim, result: Release, times: Times) -> int | None:
    """Give the batch back, by one statement; returns the new epoch, or None when the claim was fenced meanwhile."""
    row = await tx.first(
        RELEASE,
        {
            "campaign_id": claim.campaign_id,
            "batch_no": claim.batch_no,
            "epoch": claim.epoch,
            "holder": claim.holder,
            "state": (states.REPORT if result.retry_after is None else states.RETRY).target,
            "reported": letters.join(claim.reported, result.outcomes),
            "attempt": result.attempt,
            "doubt": claim.doubt or result.unanswered,
            "report": as_report(result.codes, result.dead),
            "due": times.report if result.retry_after is None else result.retry_after + times.retry,
        },
    )
    return None if row is None else int(row.epoch)


def as_report(codes: dict[int, str], dead: dict[int, str]) -> str | None:
    """The row's `report`: position to `[code, hash]` or `[code]`; None when there is nothing to keep."""
    if not codes and not dead:
        return None
    positions = sorted(codes.keys() | dead.keys())
    return json.dumps({str(p): [codes.get(p, ""), dead[p]] if p in dead else [codes.get(p, "")] for p in positions})


def from_report(report: dict[str, list[str]] | None) -> tuple[dict[int, str], dict[int, str]]:
    """`codes` and `dead` of a row's `report`."""
    entries = {int(position): entry for position, entry in (report or {}).items()}
    codes = {position: entry[0] for position, entry in entries.items() if entry[0]}
    dead = {position: entry[1] for position, entry in entries.items() if len(entry) > 1}
    return codes, dead
