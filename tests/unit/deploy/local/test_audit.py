"""The verdict on two books: it must find every contradiction, and none where there is none."""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.audit import Audit, Entry, Seen, compare, read_record
from shared.ledger.letters import NAMES

ACCEPTED = Entry("a", "A", active=True)
DEAD_TOKEN = Entry("u", "U", active=False)


async def stream(items: Iterable[Any]) -> AsyncIterator[Any]:
    """Give a list as what a cursor or a response would yield."""
    for item in items:
        yield item


def counters_of(entries: Iterable[Entry]) -> dict[str, int]:
    """Return the counters that a right ledger would have."""
    entries = list(entries)
    counted = {name: sum(entry.letter == letter for entry in entries) for letter, name in NAMES.items()}
    return {"total": len(entries), **counted}


async def verdict(entries: list[Entry], seen: Mapping[str, Seen], counters: Mapping[str, int] | None = None) -> Audit:
    """Compare, with right counters unless others are given."""
    return await compare(stream(entries), seen, counters or counters_of(entries))


async def test_two_books_that_tell_the_same_agree() -> None:
    """One accepted, one dead token: nothing to find."""
    audit = await verdict([ACCEPTED, DEAD_TOKEN], {"a": Seen(1, called_dead=False), "u": Seen(0, called_dead=True)})
    assert audit.agrees
    assert audit.letters == {"A": 1, "U": 1}


@pytest.mark.parametrize(
    ("entry", "seen", "fault"),
    [
        (Entry("x", ".", active=True), Seen(0, called_dead=False), "without an outcome"),
        (Entry("x", "A", active=True), Seen(0, called_dead=False), "never by the emulator"),
        (Entry("x", "D", active=True), Seen(1, called_dead=False), "accepted by the emulator, dead in the ledger"),
        (Entry("x", "C", active=True), Seen(1, called_dead=False), "cancelled in the ledger"),
        (Entry("x", "U", active=False), Seen(0, called_dead=False), "never called so"),
        (Entry("x", "U", active=True), Seen(0, called_dead=True), "still active"),
        (Entry("x", "A", active=False), Seen(1, called_dead=False), "deactivated though"),
        (Entry("x", "A", active=True), Seen(2, called_dead=False), "pushed twice without a doubt"),
    ],
)
async def test_each_contradiction_is_named(entry: Entry, seen: Seen, fault: str) -> None:
    """What the two books cannot both be right about is a fault, in words."""
    audit = await verdict([entry], {"x": seen})
    assert not audit.agrees
    assert any(fault in told for told in audit.faults), audit.faults


async def test_unknown_may_or_may_not_have_been_sent() -> None:
    """The letter says just that, so neither story contradicts it."""
    entries = [Entry("x", "?", active=True), Entry("y", "?", active=True)]
    assert (await verdict(entries, {"x": Seen(1, called_dead=False)})).agrees


async def test_a_duplicate_in_a_batch_in_doubt_is_counted_and_explained() -> None:
    """The stated bound: repeats only where a lease was lost or nobody answered, and where they are allowed."""
    audit = await verdict([Entry("x", "A", active=True, may_repeat=True)], {"x": Seen(3, called_dead=False)})
    assert audit.agrees
    assert (audit.duplicates, audit.duplicates_explained) == (2, 2)


async def test_a_device_planned_twice_is_found() -> None:
    """Two positions for one device would be two pushes."""
    audit = await verdict([ACCEPTED, ACCEPTED], {"a": Seen(1, called_dead=False)})
    assert any("planned twice" in told for told in audit.faults)


async def test_a_target_that_was_never_planned_is_found() -> None:
    """The emulator knows a device that the ledger does not."""
    audit = await verdict([], {"stranger": Seen(1, called_dead=False)})
    assert any("never planned" in told for told in audit.faults)


async def test_counters_that_differ_from_the_letters_are_found() -> None:
    """The counters are what operators see: they must be the batches' sum."""
    wrong = {**counters_of([ACCEPTED]), "accepted": 2, "total": 2}
    audit = await verdict([ACCEPTED], {"a": Seen(1, called_dead=False)}, wrong)
    assert "the counter 'accepted' says 2, the batches 1" in audit.faults
    assert "the audience is 2, the batches hold 1 devices" in audit.faults


@given(st.lists(st.sampled_from("SCXDRUA?")))
async def test_any_honest_ledger_passes(letters: str) -> None:
    """Whatever the outcomes, a record that fits them has no fault."""
    entries = [Entry(f"t{n}", letter, active=letter != "U") for n, letter in enumerate(letters)]
    seen = {
        entry.target: Seen(int(entry.letter == "A"), called_dead=entry.letter == "U")
        for entry in entries
        if entry.letter in "AU"
    }
    assert (await verdict(entries, seen)).faults == []


async def test_a_record_in_groups_is_gathered_by_target() -> None:
    """A target may appear under several campaigns; its deliveries add up."""
    groups = [
        {"accepted": 1, "answers": {"ACCEPTED": 1}, "tokens": ["a", "b"]},
        {"accepted": 0, "answers": {"UNREGISTERED": 1}, "tokens": ["b"]},
    ]
    seen = await read_record(stream(groups))
    assert seen == {"a": Seen(1, called_dead=False), "b": Seen(1, called_dead=True)}
