"""CSV to rows."""

from datetime import UTC, datetime

import pytest

from services.api.devices.imports.csv_lines import CsvLines
from services.api.devices.lines import DeviceRow, Known
from services.api.http.problems import INVALID, ProblemError
from shared.contracts.targets import target_hash
from shared.contracts.traits import version_order

PROJECTS = frozenset({"default", "shop"})


def row(header: str, line: str) -> DeviceRow:
    """The row of a line that is one."""
    parsed = CsvLines(header.encode()).parse(line.encode(), PROJECTS)
    assert isinstance(parsed, DeviceRow), parsed
    return parsed


def test_a_line_that_says_who_and_where_is_like_a_plain_line_of_json() -> None:
    """In any order of columns; quotes hold commas."""
    expected = DeviceRow(target_hash("token", 'a"b'), "Kim, Minsu", "ios", "token", 'a"b', "default")
    assert row("token,user_id,platform", '"a""b","Kim, Minsu",ios') == expected
    assert row("user_id,platform,fid,project\r", "u,web,f,shop\r") == DeviceRow(
        target_hash("fid", "f"), "u", "web", "fid", "f", "shop"
    )


def test_every_column_reaches_the_registry() -> None:
    """Attributes are text; an empty cell leaves them as they are, like a null in JSON."""
    header = "user_id,platform,token,fid,locale,time_zone,app_version,last_seen,attributes.plan,attributes.city"
    full = row(header, "u,android,,f,ko_kr,Asia/Seoul,3.2,2026-10-01T00:00:00Z,pro,")
    assert (full.kind, full.target) == ("fid", "f")
    assert full.known == Known(
        "ko-KR",
        "Asia/Seoul",
        "3.2",
        version_order("3.2"),
        datetime(2026, 10, 1, tzinfo=UTC),
        '{"plan":"pro","city":null}',
    )
    assert row(header, "u,android,t,,,,,,,").known == Known(None, None, None, None, None, None)


def test_columns_are_named_in_any_case_and_order_and_some_not_at_all() -> None:
    """As databases and spreadsheets write them; what is in a column without a name cannot be meant."""
    expected = row("user_id,platform,token,attributes.Plan", "u,ios,t,pro")
    assert row("USER_ID, Platform ,TOKEN,Attributes.Plan,,", "u, iOS, t, pro,,") == expected
    said = CsvLines(b"user_id,platform,token,").parse(b"u,ios,t,x", PROJECTS)
    assert said == "it has something in a column that line 1 does not name"
    assert CsvLines(b"user_id,platform,token").parse(b",,,,,", PROJECTS) is None


def test_an_empty_project_leaves_it_as_it_is() -> None:
    """Without the column it is the default one."""
    lines = CsvLines(b"user_id,platform,token,project")
    empty = lines.parse(b"u,ios,t,", PROJECTS)
    assert isinstance(empty, DeviceRow)
    assert (empty.project, empty.known) == (None, Known(None, None, None, None, None, None))
    assert row("user_id,platform,token", "u,ios,t").project == "default"


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"", "missing: user_id, platform, token or fid"),
        (b"user_id,platform,token,colour", "unknown columns: 4"),
        (b"user_id,user_id,platform,token", "named twice: user_id"),
        (b"user-1,ios,t", "missing: user_id, platform, token or fid"),
        (b"\xff", "not UTF-8"),
        (b'"user_id', "not CSV"),
    ],
)
def test_a_first_line_that_names_no_columns_ends_the_import(header: bytes, said: str) -> None:
    """Before anything is registered."""
    with pytest.raises(ProblemError, match=said) as caught:
        CsvLines(header)
    assert caught.value.kind is INVALID


def test_a_device_in_place_of_the_columns_is_not_repeated() -> None:
    """The refusal is logged, and kept with the job."""
    with pytest.raises(ProblemError, match="unknown columns: 1, 2, 3; missing") as caught:
        CsvLines(b"secret-user,ios,secret:token")
    assert "secret" not in caught.value.detail


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"u,ios", "2 cells, and line 1 names 5"),
        (b"u,ios,t,f,", "a token and a fid"),
        (b"u,ios,,,", "target is required"),
        (b",ios,t,,", "user_id is required"),
        (b"u,symbian,t,,", "platform"),
        (b"u,ios,t t,,", "target.value holds characters"),
        (b"u,ios,t,,nowhere", "there is no project 'nowhere'"),
        (b'u,ios,"t,,', "not CSV"),
        (b"\xff,ios,t,,", "not UTF-8"),
        (b"u" * 9000 + b",ios,t,,", "longer than 8192 bytes"),
    ],
)
def test_a_bad_line_is_told_what_is_wrong_with_it(line: bytes, said: str) -> None:
    """In the words that a line of JSON is told."""
    problem = CsvLines(b"user_id,platform,token,fid,project").parse(line, PROJECTS)
    assert isinstance(problem, str)
    assert said in problem


def test_an_attribute_that_is_no_name_is_told() -> None:
    """Each line says so, since each might leave it empty."""
    lines = CsvLines(b"user_id,platform,token,attributes.a b")
    assert "attributes" in str(lines.parse(b"u,ios,t,x", PROJECTS))
    assert isinstance(lines.parse(b"u,ios,t,", PROJECTS), DeviceRow)
