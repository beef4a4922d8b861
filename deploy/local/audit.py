"""The ledger read device by device, and held against what the emulator accepted.

This reads PostgreSQL directly, not the API: an auditor does not ask the audited. Everything is compared by target, the
one thing that both books share.
"""

from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from shared.ledger.letters import NAMES

LEDGER = """
    select device.target, device.active, place.letter,
           batch.doubt and campaign.delivery = 'at_least_once' as may_repeat
    from campaign_batch batch
    join campaign on campaign.id = batch.campaign_id
    join campaign_batch_distances devices using (campaign_id, batch_no)
    cross join lateral unnest(devices.distances, string_to_array(batch.outcomes, null)) as place (distance, letter)
    join device on device.id = batch.first_id + place.distance
    where batch.campaign_id = $1
"""
"""A row for each planned position: 1.6 s per million."""

COUNTERS = """
    select total, pending, skipped, cancelled, expired, dead, unknown, rejected, unregistered, accepted
    from campaign where id = $1
"""

_FETCH = 20_000
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger says about one device."""

    target: str
    letter: str
    active: bool
    may_repeat: bool = False
    """Whether repeats are allowed and its batch is in doubt: a lease was lost over it, or nobody answered a request."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the emulator says about one target."""

    accepted: int
    called_dead: bool


@dataclass
class Audit:
    """The verdict; `faults` is empty when both books agree."""

    letters: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    """Deliveries beyond the first to the same device."""
    duplicates_explained: int = 0
    """Of these, to devices of a batch in doubt whose operator allows repeats: the stated bound."""
    faults: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether ledger, counters and the emulator's record agree on every device."""
        return not self.faults


class _Findings:
    """Faults by kind with their number and a few examples."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}

    def add(self, kind: str, target: str) -> None:
        self._counts[kind] += 1
        examples = self._examples.setdefault(kind, [])
        if len(examples) < _EXAMPLES:
            examples.append(f"{target[:24]}…")

    def told(self) -> list[str]:
        return [
            f"{count:,} {kind}, such as {', '.join(self._examples[kind])}" for kind, count in self._counts.most_common()
        ]


async def compare(ledger: AsyncIterable[Entry], seen: Mapping[str, Seen], counters: Mapping[str, int]) -> Audit:
    """Hold the ledger of one campaign against the emulator's record of the same time, and against its own counters."""
    audit, findings = Audit(), _Findings()
    nothing = Seen(accepted=0, called_dead=False)
    met: set[str] = set()
    async for entry in ledger:
        audit.letters[entry.letter] += 1
        if entry.target in met:
            findings.add("devices planned twice", entry.target)
        met.add(entry.target)
        at_fcm = seen.get(entry.target, nothing)
        for kind in contradictions_of(entry, at_fcm, dead=at_fcm.called_dead):
            findings.add(kind, entry.target)
        if at_fcm.accepted > 1:
            audit.duplicates += at_fcm.accepted - 1
            if entry.may_repeat:
                audit.duplicates_explained += at_fcm.accepted - 1
            else:
                findings.add("devices were pushed twice without a doubt that allows it", entry.target)
    for stranger in seen.keys() - met:
        findings.add("targets at the emulator that the campaign never planned", stranger)
    counted = Counter({name: audit.letters[letter] for letter, name in NAMES.items()})
    wrong = [
        f"the counter '{name}' says {counters[name]:,}, the batches {counted[name]:,}"
        for name in NAMES.values()
        if counters[name] != counted[name]
    ]
    if counters["total"] != counted.total():
        wrong.append(f"the audience is {counters['total']:,}, the batches hold {counted.total():,} devices")
    audit.faults = [*wrong, *findings.told()]
    return audit


def contradictions_of(entry: Entry, at_fcm: Seen, *, dead: bool) -> list[str]:
    """Return the contradictions between ledger and record for one device; `dead`: to any campaign."""
    letter, accepted = entry.letter, at_fcm.accepted > 0
    found = {
        "devices without an outcome": letter == ".",
        "devices accepted in the ledger, never by the emulator": letter == "A" and not accepted,
        f"devices accepted by the emulator, {NAMES[letter]} in the ledger": accepted and letter not in "A?",
        "devices unregistered in the ledger, never called so by the emulator": letter == "U" and not at_fcm.called_dead,
        "devices called unregistered by the emulator, but still active": at_fcm.called_dead
        and entry.active
        and letter != "?",  # nobody heard it
        "devices deactivated though the emulator never called them unregistered": not dead and not entry.active,
    }
    return [kind for kind, is_so in found.items() if is_so]


async def read_ledger(connection: Any, campaign_id: int) -> AsyncIterator[Entry]:
    """Yield the ledger's entry for every planned position, in constant memory."""
    async with connection.transaction(readonly=True):
        async for row in connection.cursor(LEDGER, campaign_id, prefetch=_FETCH):
            yield Entry(row["target"], row["letter"], row["active"], row["may_repeat"])


async def read_record(groups: AsyncIterable[Mapping[str, Any]]) -> dict[str, Seen]:
    """Gather the emulator's record by target, over all campaigns that it saw."""
    seen: dict[str, Seen] = {}
    async for group in groups:
        word = Seen(group["accepted"], "UNREGISTERED" in group["answers"])
        for target in group["tokens"]:
            before = seen.get(target)
            seen[target] = (
                word
                if before is None
                else Seen(before.accepted + word.accepted, before.called_dead or word.called_dead)
            )
    return seen


async def audit(database_url: str, campaign_id: int, record: AsyncIterable[Mapping[str, Any]]) -> Audit:
    """Audit one campaign that had the emulator to itself."""
    seen = await read_record(record)
    connection = await asyncpg.connect(database_url)
    try:
        counters = await connection.fetchrow(COUNTERS, campaign_id)
        return await compare(read_ledger(connection, campaign_id), seen, dict(counters))
    finally:
        await connection.close()
