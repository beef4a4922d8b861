"""Audiences: for whom a campaign is, as an SQL condition over `device d` beside `d.active` and the range of ids.

| kind | stored | found by |
|---|---|---|
| all | | the registry in order of ids |
| users | user_ids, to 10,000 | the index on users |
| devices | device_ids | the primary key |
| list | list_id | the index on users when it is short, else a look into the list for each device |
| segment | segment_id, or a filter | a test of each device |
| follow_up | campaign_id, outcomes | the finished campaign's batches of the range |

Any kind may have `exclude`: user_ids, list_ids, segment_ids; a user or device in one of these is not in the audience.
Suppression is checked elsewhere: when a batch is claimed, with the letter `S`.

A campaign's audience is frozen when it is sent: under `frozen`, definitions of segments are copied, with days counted
back from then, and lists take nobody any more. So it means the same at every step of planning, and a segment may be
changed or deleted while it is being sent to.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from shared.contracts.segments import FILTER, as_json, frozen
from shared.db import Reader, Writer
from shared.ledger.follow_up import follow_up, follow_up_range
from shared.ledger.segments import Terms, compile_filter

SHORT_LIST = 10_000
"""Users up to which a list is found through the index on users: 10 µs each at every step, but no walk."""
FROZEN = "frozen"

SEGMENTS = text("select id, filter from segment where id = any(cast(:ids as bigint[]))")
LISTS = text("""
    select id, size from audience_list where id = any(cast(:ids as bigint[])) and state = 'ready'
""")
HOLD_SEGMENTS = text("""
    select id from segment where id = any(cast(:ids as bigint[])) order by id for key share
""")
HOLD_LISTS = text("""
    select id from audience_list where id = any(cast(:ids as bigint[])) and state = 'ready' order by id for key share
""")
SEAL = text("""
    update audience_list set sealed_at = coalesce(sealed_at, now())
     where id in (select id from audience_list where id = any(cast(:ids as bigint[])) order by id for no key update)
""")
AUDIENCE = text("select audience, sent_at from campaign where id = :id")
FREEZE = text("update campaign set audience = cast(:audience as jsonb) where id = :id")

SHORT = "d.user_id = any(array(select user_id from audience_list_member where list_id = {list_id}))"
# `offset 0` keeps PostgreSQL from making a hash of the whole list at every step.
MEMBER = """
    exists (select from audience_list_member m where m.list_id = {list_id} and m.user_id = d.user_id{apart})
"""


class UnknownAudienceError(LookupError):
    """Raised when an audience names lists or segments that do not exist or are not complete."""

    def __init__(self, lists: list[int], segments: list[int]) -> None:
        named = [f"list {id_}" for id_ in lists] + [f"segment {id_}" for id_ in segments]
        super().__init__(f"The audience names what does not exist or is not complete: {', '.join(named)}.")
        self.lists = lists
        self.segments = segments


@dataclass(frozen=True, slots=True)
class Condition:
    """What a device must meet, to be and-ed; nothing when `sql` is empty.

    `walks`: devices are found by testing each in a range of ids, so the caller limits the range to limit the time.
    `range`: a statement that tells `upto`, how far to look behind `:cursor` for `:devices`; null is to the end.
    """

    sql: str
    values: dict[str, Any]
    walks: bool
    range: str = ""


@dataclass(frozen=True, slots=True)
class References:
    """Lists and segments that an audience names."""

    lists: list[int]
    segments: list[int]

    @property
    def any(self) -> bool:
        """Whether there are some."""
        return bool(self.lists or self.segments)


def references(audience: dict[str, Any]) -> References:
    """The lists and segments that an audience names."""
    excluded = audience.get("exclude", {})
    lists = [*([audience["list_id"]] if audience["kind"] == "list" else []), *excluded.get("list_ids", ())]
    segments = [*([audience["segment_id"]] if audience.get("segment_id") else []), *excluded.get("segment_ids", ())]
    return References(sorted(set(lists)), sorted(set(segments)))


async def hold(tx: Writer, audience: dict[str, Any]) -> None:
    """Keep what the audience names from being deleted until this transaction ends; call it when a draft is stored.

    Raises `UnknownAudienceError`.
    """
    named = references(audience)
    if not named.any:
        return
    lists = {row.id for row in await tx.all(HOLD_LISTS, {"ids": named.lists})}
    segments = {row.id for row in await tx.all(HOLD_SEGMENTS, {"ids": named.segments})}
    _refuse_unknown(named, lists, segments)


async def resolve(tx: Reader, audience: dict[str, Any], at: datetime) -> dict[str, Any]:
    """The audience as it is at a moment, with what its lists and segments are under `frozen`; as it is if it was.

    Raises `UnknownAudienceError`.
    """
    if FROZEN in audience:
        return audience
    named = references(audience)
    segments: dict[int, dict[str, Any]] = {}
    sizes: dict[int, int] = {}
    if named.any:
        segments = {row.id: row.filter for row in await tx.all(SEGMENTS, {"ids": named.segments})}
        sizes = {row.id: row.size for row in await tx.all(LISTS, {"ids": named.lists})}
        _refuse_unknown(named, set(sizes), set(segments))
    known: dict[str, Any] = {"at": at.isoformat()}
    if audience["kind"] == "list":
        known["size"] = sizes[audience["list_id"]]
    if audience["kind"] == "segment":
        known["filter"] = _at(audience.get("filter") or segments[audience["segment_id"]], at)
    excluded = audience.get("exclude", {}).get("segment_ids", ())
    known["without"] = [_at(segments[id_], at) for id_ in excluded]
    return {**audience, FROZEN: known}


async def freeze(tx: Writer, campaign_id: int) -> None:
    """Fix a campaign's audience at its send. Raises `UnknownAudienceError`, which `hold` rules out."""
    row = await tx.first(AUDIENCE, {"id": campaign_id})
    assert row is not None  # noqa: S101 - the caller has just updated it
    lists = references(row.audience).lists
    if lists:
        await tx.run(SEAL, {"ids": lists})
    resolved = await resolve(tx, row.audience, row.sent_at)
    await tx.run(FREEZE, {"id": campaign_id, "audience": json.dumps(resolved, ensure_ascii=False)})


def compile_audience(audience: dict[str, Any], *, steps: bool) -> Condition:
    """The condition of a resolved audience.

    `steps`: for a walk in steps, where lists are looked into device by device; else the whole is looked at once, and
    PostgreSQL may join as it likes.
    """
    terms = Terms()
    sql, walks = KINDS[audience["kind"]](audience, terms, steps)
    without = _excluded(audience, terms, steps=steps)
    # Devices found by an index are still found by it; all others are tested one by one, however few match.
    parts = [part.strip() for part in [sql, *without] if part]
    within = follow_up_range(audience, terms) if steps and audience["kind"] == "follow_up" else ""
    return Condition(" and ".join(parts), terms.values, walks or (not sql and bool(without)), within)


def _all(_audience: dict[str, Any], _terms: Terms, _steps: bool) -> tuple[str, bool]:
    return "", False


def _users(audience: dict[str, Any], terms: Terms, _steps: bool) -> tuple[str, bool]:
    return f"d.user_id = any({terms.bind(audience['user_ids'], 'text[]')})", False


def _devices(audience: dict[str, Any], terms: Terms, _steps: bool) -> tuple[str, bool]:
    return f"d.id = any({terms.bind(audience['device_ids'], 'bigint[]')})", False


def _list(audience: dict[str, Any], terms: Terms, steps: bool) -> tuple[str, bool]:
    if audience[FROZEN]["size"] <= SHORT_LIST:
        return SHORT.format(list_id=terms.bind(audience["list_id"], "bigint")), False
    return _member(audience["list_id"], terms, steps=steps), True


def _segment(audience: dict[str, Any], terms: Terms, _steps: bool) -> tuple[str, bool]:
    return compile_filter(audience[FROZEN]["filter"], terms), True


KINDS: dict[str, Callable[[dict[str, Any], Terms, bool], tuple[str, bool]]] = {
    "all": _all,
    "users": _users,
    "devices": _devices,
    "list": _list,
    "segment": _segment,
    "follow_up": follow_up,
}
"""By kind: the condition, and whether it walks."""


def _member(list_id: int, terms: Terms, *, steps: bool) -> str:
    """Whether the device's user is in a list."""
    return MEMBER.format(list_id=terms.bind(list_id, "bigint"), apart=" offset 0" if steps else "")


def _excluded(audience: dict[str, Any], terms: Terms, *, steps: bool) -> list[str]:
    exclude: dict[str, Any] = audience.get("exclude", {})
    without = []
    if exclude.get("user_ids"):
        # A subquery is hashed once a statement; an array would be gone through for each device.
        without.append(f"d.user_id not in (select unnest({terms.bind(exclude['user_ids'], 'text[]')}))")
    without += [f"not {_member(list_id, terms, steps=steps)}" for list_id in exclude.get("list_ids", ())]
    without += [
        f"({compile_filter(stored, terms)}) is not true" for stored in audience.get(FROZEN, {}).get("without", ())
    ]
    return without


def _at(stored: dict[str, Any], at: datetime) -> dict[str, Any]:
    return as_json(frozen(FILTER.validate_python(stored), at))


def _refuse_unknown(named: References, lists: set[int], segments: set[int]) -> None:
    missing = References(sorted(set(named.lists) - lists), sorted(set(named.segments) - segments))
    if missing.any:
        raise UnknownAudienceError(missing.lists, missing.segments)
