"""Merge: results become letters and counters, in one transaction, as a join.

A window's results are folded per batch in memory first, since an `UPDATE … FROM` with two rows for one target applies
one. Dead targets are deactivated in the same transaction: a message that is lost behind it leaves none active. Locks
are taken in one order everywhere: devices by hash, batch rows by (campaign, number), campaign rows by id; so whoever
waits for an import's devices holds nothing that others merge into.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import text

from shared.contracts.messages import BatchResult
from shared.db import Writer
from shared.errors import MalformedMessageError
from shared.ledger import letters, states
from shared.ledger.completion import complete_if_done
from shared.ledger.events import record_event
from shared.ledger.releasing import as_report

LOCK = text("""
    select b.campaign_id, b.batch_no, b.size, b.outcomes
      from campaign_batch b
      join unnest(cast(:campaigns as bigint[]), cast(:numbers as integer[])) as k (campaign_id, batch_no)
     using (campaign_id, batch_no)
     order by b.campaign_id, b.batch_no for no key update of b
""")

# `reported` is spent once every position has its letter in `outcomes`; dropping it halves the finished row.
WRITE = text(f"""
    update campaign_batch b
       set outcomes = k.outcomes,
           report = case when k.report is null then b.report
                         else coalesce(b.report, '{{}}') || cast(k.report as jsonb) end,
           reported = case when k.done then '' else b.reported end,
           state = case when k.done then {states.MERGE.to} else b.state end,
           finished_at = case when k.done then now() end,
           since = case when k.done then now() else b.since end
      from unnest(cast(:campaigns as bigint[]), cast(:numbers as integer[]), cast(:outcomes as text[]),
                  cast(:reports as text[]), cast(:done as boolean[]))
           as k (campaign_id, batch_no, outcomes, report, done)
     where b.campaign_id = k.campaign_id and b.batch_no = k.batch_no
""")  # noqa: S608 - states by their names

COUNT = text(
    "update campaign set "  # noqa: S608 - column names from our own vocabulary
    + ", ".join(f"{name} = {name} + :{name}" for name in letters.NAMES.values())
    + ", progress_at = case when progress_at < now() - interval '1 second' then now() else progress_at end"
    + " where id = :id returning progress_at = now() as tell, total, "
    + ", ".join(letters.NAMES.values())
)

ERRORS = text("""
    insert into campaign_error as e (campaign_id, code, count, sample)
    select * from unnest(cast(:campaigns as bigint[]), cast(:codes as text[]), cast(:counts as bigint[]),
                         cast(:samples as text[]))
        on conflict (campaign_id, code) do update
           set count = e.count + excluded.count,
               sample = case when e.sample = '' then excluded.sample else e.sample end
""")

DEAD_DEVICES = text("""
    select b.first_id + v.distances[k.position + 1] as id, k.hash
      from unnest(cast(:campaigns as bigint[]), cast(:numbers as integer[]), cast(:positions as integer[]),
                  cast(:hashes as text[])) as k (campaign_id, batch_no, position, hash)
      join campaign_batch b using (campaign_id, batch_no)
      join campaign_batch_distances v using (campaign_id, batch_no)
""")

DEACTIVATE = text("""
    update device d set active = false, updated_at = now()
      from (select id, decode(hash, 'hex') as hash
              from unnest(cast(:ids as bigint[]), cast(:hashes as text[])) as k (id, hash) order by hash) as k
     where d.id = k.id and d.target_hash = k.hash and d.active
""")

Key = tuple[int, int]


@dataclass(slots=True)
class Folded:
    """All that a window says about one batch."""

    outcomes: str
    codes: dict[int, str] = field(default_factory=dict)
    dead: dict[int, str] = field(default_factory=dict)
    samples: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did: letters that became final, by counter name, campaigns completed, devices deactivated."""

    moved: Counter[str]
    completed: tuple[int, ...]
    deactivated: int


def fold(results: Iterable[BatchResult]) -> dict[Key, Folded]:
    """Join a window's results per batch; raises `MalformedMessageError` when two disagree on the batch's size."""
    window: dict[Key, Folded] = {}
    for result in results:
        folded = window.setdefault((result.campaign_id, result.batch_no), Folded("." * len(result.outcomes)))
        try:
            folded.outcomes = letters.join(folded.outcomes, result.outcomes)
        except ValueError as error:
            raise MalformedMessageError(f"Batch {result.batch_no} of {result.campaign_id}: {error}") from None
        folded.codes.update(result.codes)
        folded.dead.update(result.dead)
        folded.samples.update(result.samples)
    return window


async def merge(tx: Writer, window: dict[Key, Folded]) -> Merged:
    """Deactivate what a folded window calls dead, join it into the ledger and complete what is done.

    Raises `MalformedMessageError` when a result names a batch that does not exist or has another size.
    """
    deactivated = await _deactivate(tx, window)
    keys = sorted(window)
    rows = await tx.all(LOCK, _columns(keys))
    if len(rows) != len(keys):
        known = {(row.campaign_id, row.batch_no) for row in rows}
        missing = next(key for key in keys if key not in known)
        raise MalformedMessageError(f"Campaign {missing[0]} has no batch {missing[1]}.")
    changes: dict[int, Counter[str]] = {}
    errors: Counter[tuple[int, str]] = Counter()
    samples: dict[tuple[int, str], str] = {}
    after: list[str] = []
    for row in rows:
        folded = window[row.campaign_id, row.batch_no]
        if len(folded.outcomes) != row.size:
            raise MalformedMessageError(
                f"Batch {row.batch_no} of campaign {row.campaign_id} has {row.size} devices, "
                f"the result speaks of {len(folded.outcomes)}."
            )
        joined = letters.join(row.outcomes, folded.outcomes)
        after.append(joined)
        changes.setdefault(row.campaign_id, Counter()).update(letters.change(row.outcomes, joined))
        for position, code in folded.codes.items():
            if position < row.size and joined[position] != row.outcomes[position]:
                errors[row.campaign_id, code] += 1
                samples[row.campaign_id, code] = folded.samples.get(code, "")
    await tx.run(
        WRITE,
        {
            **_columns(keys),
            "outcomes": after,
            "reports": [as_report(window[key].codes, window[key].dead) for key in keys],
            "done": [letters.complete(outcomes) for outcomes in after],
        },
    )
    if errors:
        await _count_errors(tx, errors, samples)
    completed = [campaign_id for campaign_id in sorted(changes) if await _count(tx, campaign_id, changes[campaign_id])]
    moved: Counter[str] = Counter()
    for change in changes.values():
        moved.update(change)
    return Merged(moved, tuple(completed), deactivated)


async def _deactivate(tx: Writer, window: dict[Key, Folded]) -> int:
    """Deactivate the devices whose target FCM called unregistered; a target refreshed meanwhile lives."""
    dead = [(*key, position, hash_) for key, folded in window.items() for position, hash_ in folded.dead.items()]
    if not dead:
        return 0
    campaigns, numbers, positions, hashes = (list(column) for column in zip(*dead, strict=True))
    rows = await tx.all(
        DEAD_DEVICES, {"campaigns": campaigns, "numbers": numbers, "positions": positions, "hashes": hashes}
    )
    found = [(row.id, row.hash) for row in rows if row.id is not None]
    return await tx.run(DEACTIVATE, {"ids": [id_ for id_, _ in found], "hashes": [hash_ for _, hash_ in found]})


async def _count(tx: Writer, campaign_id: int, change: Counter[str]) -> bool:
    """Move one campaign's counters, tell its progress at most once a second, complete it if it is done.

    A result that came again is no progress: nothing is told of it, least of all after the final event.
    """
    if not change:
        return await complete_if_done(tx, campaign_id)
    row = await tx.first(COUNT, {"id": campaign_id, **{name: change[name] for name in letters.NAMES.values()}})
    if await complete_if_done(tx, campaign_id):
        return True
    if row is not None and row.tell:
        outcomes = {name: getattr(row, name) for name in letters.NAMES.values()}
        await record_event(tx, campaign_id, "progressed", {"total": row.total, "outcomes": outcomes})
    return False


async def _count_errors(tx: Writer, errors: Counter[tuple[int, str]], samples: dict[tuple[int, str], str]) -> None:
    keys = sorted(errors)
    await tx.run(
        ERRORS,
        {
            "campaigns": [campaign_id for campaign_id, _ in keys],
            "codes": [code for _, code in keys],
            "counts": [errors[key] for key in keys],
            "samples": [samples[key] for key in keys],
        },
    )


def _columns(keys: list[Key]) -> dict[str, list[int]]:
    return {"campaigns": [key[0] for key in keys], "numbers": [key[1] for key in keys]}
