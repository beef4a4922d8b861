"""Ending open positions: cancel, a batch that was lost too often and `at_most_once` give each a final letter.

The row is written first (epoch + 1, `reported` filled), then a result is published; after a crash between the two the
sweep publishes it again from the row.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row

from shared.contracts.messages import BatchResult
from shared.db import Writer
from shared.ledger import letters, states
from shared.ledger.releasing import from_report
from shared.ledger.times import Times

END = text(f"""
    update campaign_batch b
       set state = {states.CLOSE.to}, epoch = b.epoch + 1, reported = k.reported, holder = null, lease_until = null,
           doubt = b.doubt or :doubt, lost = b.lost + :lost,
           since = now(), due_at = now() + make_interval(secs => :grace)
      from unnest(cast(:campaigns as bigint[]), cast(:numbers as integer[]), cast(:reported as text[]))
           as k (campaign_id, batch_no, reported)
     where b.campaign_id = k.campaign_id and b.batch_no = k.batch_no
""")  # noqa: S608 - states by their names


async def end_open(
    tx: Writer, rows: Sequence[Row[Any]], letter: str, times: Times, *, lost: bool = False
) -> list[BatchResult]:
    """End every open position of rows that this transaction has locked; returns the results to publish.

    `lost`: a lease was lost with them, so nobody knows what was sent, and `letter` is settled accordingly.
    Rows need campaign_id, batch_no, epoch, outcomes, reported, report, doubt.
    """
    if not rows:
        return []
    reported = [
        letters.join(row.reported, letters.fill(row.outcomes, row.reported, letter, doubt=row.doubt or lost))
        for row in rows
    ]
    await tx.run(
        END,
        {
            "campaigns": [row.campaign_id for row in rows],
            "numbers": [row.batch_no for row in rows],
            "reported": reported,
            "doubt": lost,
            "lost": int(lost),
            "grace": times.report,
        },
    )
    return [result_of(row, outcomes) for row, outcomes in zip(rows, reported, strict=True)]


def result_of(row: Row[Any], outcomes: str) -> BatchResult:
    """The result that a row stands for, the same as in the message that was lost."""
    codes, dead = from_report(row.report)
    return BatchResult(
        campaign_id=row.campaign_id,
        batch_no=row.batch_no,
        epoch=row.epoch,
        outcomes=outcomes,
        codes=codes,
        dead=dead,
    )
