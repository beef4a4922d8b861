"""Lines of an import."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.devices.lines import (
    MAX_LINE,
    MAX_SKIPPED,
    DeviceRow,
    Lines,
    OverlongLineError,
    parse_line,
)
from shared.contracts.targets import target_hash

PROJECTS = frozenset({"default", "shop"})
GOOD = {"user_id": "user-1", "platform": "ios", "target": {"kind": "token", "value": "a:B-1"}}


def line(**changes: object) -> bytes:
    """A good line with something changed."""
    return json.dumps({**GOOD, **changes}).encode()


def test_a_line_becomes_a_row_with_the_hash_of_its_target() -> None:
    """The project is `default` unless it is named."""
    expected = DeviceRow(target_hash("token", "a:B-1"), "user-1", "ios", "token", "a:B-1", "default")
    assert parse_line(line(), PROJECTS) == expected
    assert parse_line(line(project="shop"), PROJECTS) == expected._replace(project="shop")


def test_equal_values_of_both_kinds_are_different_targets() -> None:
    """A token and an installation id never meet on one hash."""
    assert target_hash("token", "x") != target_hash("fid", "x")
    assert len(target_hash("token", "x")) == 16


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"not json", "not JSON"),
        (b'{"user_id": "a', "not JSON"),
        (b'{"user_id": "\xff"}', "not JSON"),
        (b'{"user_id": "\\ud800"}', "not JSON"),
        (b"[" * 5000, "not JSON"),
        ('{"user_id": "김"}'.encode("cp949"), "not UTF-8 but CP949"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (line(user_id=7), "user_id"),
        (line(user_id=""), "user_id"),
        (line(user_id="a\0b"), "user_id holds characters that are not allowed"),
        (line(platform="symbian"), "platform"),
        (line(target="abc"), "target"),
        (line(target={"kind": "token"}), "target.value is required"),
        (line(target={"kind": "mail", "value": "x"}), "target.kind"),
        (line(target={"kind": "token", "value": "a b"}), "target.value holds characters that are not allowed"),
        (line(target={"kind": "token", "value": "a\n"}), "target.value holds characters that are not allowed"),
        (line(colour="red"), "colour is an unknown field"),
        (line(project="nowhere"), "there is no project 'nowhere'"),
        (line(user_id="x" * MAX_LINE), f"longer than {MAX_LINE} bytes"),
    ],
)
def test_a_bad_line_is_told_what_is_wrong_with_it(bad: bytes, said: str) -> None:
    """The field is named, and what it should be."""
    problem = parse_line(bad, PROJECTS)
    assert isinstance(problem, str)
    assert said in problem


@given(body=st.binary(max_size=2000) | st.text("ab\n", max_size=200).map(str.encode), cuts=st.lists(st.integers(1, 60)))
def test_lines_are_the_same_however_the_body_is_cut(body: bytes, cuts: list[int]) -> None:
    """The network's pieces mean nothing."""
    lines = Lines()
    found: list[bytes] = []
    rest = body
    for size in [*cuts, len(body) + 1]:
        found += lines.feed(rest[:size])
        rest = rest[size:]
    found += lines.rest()
    whole = body.split(b"\n")
    assert found == (whole if whole[-1] else whole[:-1])


def test_an_overlong_line_is_cut_short_and_the_next_one_is_whole() -> None:
    """Memory holds the beginning of one line, whatever its length."""
    lines = Lines()
    assert lines.feed(b"x" * 3 * MAX_LINE) == []
    assert lines.feed(b"x" * 3 * MAX_LINE) == []
    cut, following = lines.feed(b"\nshort\n")
    assert len(cut) == MAX_LINE + 1
    assert following == b"short"


def test_a_line_without_an_end_is_given_up() -> None:
    """What has no line break in a mebibyte is no NDJSON."""
    lines = Lines()
    assert lines.feed(b"x" * MAX_SKIPPED) == []
    with pytest.raises(OverlongLineError):
        lines.feed(b"x" * 2 * MAX_LINE)
