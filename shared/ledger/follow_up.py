"""Following up: an audience made of what became of an earlier campaign's devices. That campaign's ledger is only read.

Its letters are in its batches, whose ids are sorted and whose ranges follow each other. So a step of planning looks
as far as it takes to fill its own batches, and opens the finished ones of that range and no others.
"""

from typing import Any

from shared.ledger.letters import NAMES
from shared.ledger.segments import Terms

LETTERS = {name: letter for letter, name in NAMES.items()}

SCAN = 1000
"""Finished batches whose letters one step counts: 10 ms; a step of rare outcomes makes do with what is in these."""

_RANGE = " and b.last_id > :cursor and b.first_id <= :upto"
"""Statements that go in steps have these two values; the others look at the whole campaign."""


def follow_up(audience: dict[str, Any], terms: Terms, steps: bool) -> tuple[str, bool]:
    """The devices of `campaign_id` with one of `outcomes`; to be walked, so that each step opens few batches.

    A device that moved to another user since a campaign for users was sent is not in its audience.
    """
    letters = sorted({LETTERS[name] for name in audience["outcomes"]})
    campaign = terms.bind(audience["campaign_id"], "bigint")
    some = terms.bind(f"[{''.join(letters)}]", "text")
    wanted = terms.bind(letters, "text[]")
    ids = f"""
        select b.first_id + t.distance
          from campaign_batch b join campaign_batch_distances v using (campaign_id, batch_no)
         cross join lateral unnest(v.distances, string_to_array(b.outcomes, null)) as t (distance, letter)
         where b.campaign_id = {campaign} and b.outcomes ~ {some} and t.letter = any({wanted})
               {_RANGE if steps else ""}
    """  # noqa: S608 - pieces of this module; what comes from a caller is a parameter
    moved = f"d.moved_at < (select c.sent_at from campaign c where c.id = {campaign} and c.personal)"  # noqa: S608
    return f"d.id in ({ids}) and ({moved}) is not false", True


def follow_up_range(audience: dict[str, Any], terms: Terms) -> str:
    """Tell `upto`: the id up to which finished batches hold `:devices` of the outcomes, null when they hold fewer."""
    letters = terms.bind("".join(sorted({LETTERS[name] for name in audience["outcomes"]})), "text")
    campaign = terms.bind(audience["campaign_id"], "bigint")
    return f"""
        select case when count(*) < {SCAN} and coalesce(max(b.found), 0) <= :devices then null
                    else coalesce(min(b.last_id) filter (where b.found >= :devices), max(b.last_id)) end as upto
          from (select s.last_id, sum(s.some) over (order by s.last_id, s.batch_no) as found
                  from (select last_id, batch_no, length(outcomes) - length(translate(outcomes, {letters}, '')) as some
                          from campaign_batch where campaign_id = {campaign} and last_id > :cursor
                         order by last_id limit {SCAN}) as s) as b
    """  # noqa: S608 - pieces of this module; what comes from a caller is a parameter
