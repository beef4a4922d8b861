"""What a row keeps of a report, and what a result made from it says."""

import json

from hypothesis import given
from hypothesis import strategies as st

from shared.ledger.releasing import as_report, from_report

POSITIONS = st.integers(0, 499)
CODES = st.dictionaries(POSITIONS, st.text(min_size=1, max_size=20), max_size=20)
DEAD = st.dictionaries(POSITIONS, st.binary(min_size=16, max_size=16).map(bytes.hex), max_size=20)


@given(CODES, DEAD)
def test_a_report_comes_back_as_it_went(codes: dict[int, str], dead: dict[int, str]) -> None:
    """Through JSON, as PostgreSQL keeps it."""
    report = as_report(codes, dead)
    assert from_report(None if report is None else json.loads(report)) == (codes, dead)


def test_nothing_to_keep_is_no_report() -> None:
    """A batch that went well has none."""
    assert as_report({}, {}) is None
    assert from_report(None) == ({}, {})


@given(CODES, CODES, DEAD, DEAD)
def test_reports_joined_by_position_keep_the_newest_word(
    first: dict[int, str], second: dict[int, str], dead: dict[int, str], later: dict[int, str]
) -> None:
    """As the row's `||` joins them: what a later claim says of a position replaces what an earlier one said."""
    joined = json.loads(as_report(first, dead) or "{}") | json.loads(as_report(second, later) or "{}")
    codes, hashes = from_report(joined)
    said_later = second.keys() | later.keys()
    assert codes == {p: c for p, c in first.items() if p not in said_later} | second
    assert hashes == {p: h for p, h in dead.items() if p not in said_later} | later
