"""Queries of exports: PostgreSQL writes the lines."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.engine import Row

from services.api.devices.imports.csv_records import CHANGED_WHEN_OPENED
from services.api.results.store import CODE, NAME
from shared.db import Reader

Lines = Literal["ndjson", "csv", "spreadsheet"]

# The time is that of the batch; the words are one of the answers with this code, of which the ledger keeps one.
_EXPORT = f"""
    select b.batch_no, string_agg({{line}}, '' order by t.n) filter (where {{wanted}}) as lines
      from (select * from campaign_batch
             where campaign_id = :id and batch_no > :after order by batch_no limit :batches) as b
      join campaign_batch_distances v using (campaign_id, batch_no)
     cross join lateral unnest(v.distances, string_to_array(b.outcomes, null))
                        with ordinality as t (distance, letter, n)
     cross join lateral (select b.first_id + t.distance as id, {NAME} as outcome, {CODE} as code,
                                to_char(b.finished_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at) as r
      left join device d on d.id = r.id
      left join campaign_error e on e.campaign_id = :id and e.code = r.code
     group by b.batch_no order by b.batch_no
"""  # noqa: S608 - names from our own vocabulary
_WANTED = "cast(:letters as text[]) is null or t.letter = any(cast(:letters as text[]))"
_NDJSON = """
    '{"device_id":' || r.id || ',"user_id":' || coalesce(to_json(d.user_id)::text, 'null')
    || ',"platform":' || coalesce('"' || d.platform || '"', 'null') || ',"outcome":"' || r.outcome
    || '","code":' || coalesce(to_json(r.code)::text, 'null') || ',"at":' || coalesce('"' || r.at || '"', 'null')
    || ',"message":' || coalesce(to_json(nullif(e.sample, ''))::text, 'null') || E'}\\n'
"""


def _csv(cell: Callable[[str], str]) -> str:
    """Lines of CSV whose texts are what `cell` makes of them."""
    user_id, code, message = (
        f"""'"' || replace({cell(f"coalesce({value}, '')")}, '"', '""') || '"'"""
        for value in ("d.user_id", "r.code", "e.sample")
    )
    return f"""
        r.id || ',' || {user_id} || ',' || coalesce(d.platform, '') || ',' || r.outcome || ',' || {code}
        || ',' || coalesce(r.at, '') || ',' || {message} || E'\\r\\n'
    """


def _safe(value: str) -> str:
    """What a spreadsheet would run or round, or reads as if it had been kept from that, with one apostrophe more."""
    return f"regexp_replace({value}, '^(''*{CHANGED_WHEN_OPENED})', '''\\1')"


EXPORTS = {
    "ndjson": text(_EXPORT.format(wanted=_WANTED, line=_NDJSON)),
    "csv": text(_EXPORT.format(wanted=_WANTED, line=_csv(str))),
    "spreadsheet": text(_EXPORT.format(wanted=_WANTED, line=_csv(_safe))),
}
DELETED = text("select 1 from campaign where id = :id and ledger_deleted_at is not null")


async def export_page(
    tx: Reader, campaign_id: int, *, lines: Lines, letters: Sequence[str] | None, after: int, batches: int
) -> Sequence[Row[Any]]:
    """Some batches as the lines of an export, ready to be sent."""
    values = {"id": campaign_id, "after": after, "batches": batches, "letters": list(letters) if letters else None}
    return await tx.all(EXPORTS[lines], values)


async def is_deleted(tx: Reader, campaign_id: int) -> bool:
    """Whether the campaign's batches are being deleted, or are gone."""
    return await tx.first(DELETED, {"id": campaign_id}) is not None
