"""Lines of an import that tell more than who and where."""

import json
from datetime import UTC, datetime

import pytest

from services.api.devices.lines import DeviceRow, Known, parse_line
from shared.contracts.traits import version_order

PROJECTS = frozenset({"default"})
GOOD = {"user_id": "user-1", "platform": "ios", "target": {"kind": "token", "value": "a:B-1"}}


def parse(**more: object) -> DeviceRow | str:
    """Parse a good line with more on it."""
    return parse_line(json.dumps({**GOOD, **more}).encode(), PROJECTS)


def test_what_is_known_of_a_device_comes_with_its_row() -> None:
    """In the form that the registry compares."""
    row = parse(
        locale="ko_kr",
        time_zone="Asia/Seoul",
        app_version="3.2",
        last_seen="2026-11-22T18:00:00+09:00",
        attributes={"plan": "pro", "score": 7},
    )
    assert isinstance(row, DeviceRow)
    assert row[:6] == parse()[:6]
    assert row.known == Known(
        "ko-KR",
        "Asia/Seoul",
        "3.2",
        version_order("3.2"),
        datetime(2026, 11, 22, 9, tzinfo=UTC),
        '{"plan":"pro","score":7}',
    )


def test_what_is_null_is_not_said() -> None:
    """No attributes at all are an empty object; all of them null are none that were said."""
    told = parse(project=None, attributes={"plan": None, "city": "x"})
    assert isinstance(told, DeviceRow)
    assert told.project is None
    assert told.known == Known(None, None, None, None, None, '{"plan":null,"city":"x"}')
    nothing = parse(attributes={"plan": None})
    assert isinstance(nothing, DeviceRow)
    assert nothing.known == Known(None, None, None, None, None, None)
    row = parse(locale=None, attributes={})
    assert isinstance(row, DeviceRow)
    assert row.known == Known(None, None, None, None, None, "{}")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"locale": "한국어"}, "locale: give a language tag"),
        ({"time_zone": "KST"}, "time_zone: there is no such time zone"),
        ({"last_seen": 1_700_000_000}, "last_seen: a number does not say whether it counts seconds"),
        ({"attributes": {"a": {}}}, "attributes.a: this has to be a text"),
        ({"attributes": []}, "attributes"),
        ({"locale": "ko", "colour": "red"}, "colour is an unknown field"),
    ],
)
def test_a_bad_line_is_told_what_is_wrong_with_it(more: dict[str, object], said: str) -> None:
    """The field is named, and what it should be."""
    problem = parse(**more)
    assert isinstance(problem, str)
    assert said in problem
