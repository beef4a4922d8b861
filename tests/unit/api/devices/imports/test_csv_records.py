"""Bodies of CSV to records and cells."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.devices.imports.csv_records import CsvRecords, cells_of, declared_separator, separator_of
from services.api.devices.lines import MAX_LINE, MAX_SKIPPED, OverlongLineError

HEADER = ["user_id", "platform", "token"]
cells = st.text(st.sampled_from('ab ,;|\t"\n\r가é'), max_size=6)
tables = st.lists(st.lists(cells, min_size=3, max_size=3), max_size=8)
cuts = st.lists(st.integers(1, 9), max_size=60)


def cut(body: bytes, sizes: list[int]) -> list[bytes]:
    """The records of a body that comes in pieces of these sizes, the last one being the rest."""
    records = CsvRecords()
    found: list[bytes] = []
    for size in [*sizes, len(body) + 1]:
        found += records.feed(body[:size])
        body = body[size:]
    return found + records.rest()


@given(
    table=tables,
    sizes=cuts,
    separator=st.sampled_from(",;\t|"),
    ends=st.sampled_from(["\n", "\r\n"]),
    all_in_quotes=st.booleans(),
)
def test_what_a_writer_of_csv_writes_is_read_however_the_body_is_cut(
    table: list[list[str]], sizes: list[int], separator: str, ends: str, *, all_in_quotes: bool
) -> None:
    """Cell by cell, but for the blanks around them; line breaks, separators and quotes within included."""
    if ends == "\n" and not all_in_quotes:
        # The csv module puts no quotes around a carriage return that ends no line of its own.
        table = [[cell.replace("\r", "") for cell in row] for row in table]
    text = io.StringIO()
    writer = csv.writer(
        text, delimiter=separator, lineterminator=ends, quoting=csv.QUOTE_ALL if all_in_quotes else csv.QUOTE_MINIMAL
    )
    writer.writerows([HEADER, *table])
    body = text.getvalue()
    if separator == "|":
        body = f"sep=|{ends}{body}"
    read = [cells_of(record, separator) for record in cut(body.encode(), sizes)]
    wanted = [[cell.strip(" \t") for cell in row] for row in [HEADER, *table]]
    assert [row for row in read if any(row)] == [row for row in wanted if any(row)]


@given(body=st.text(st.sampled_from('ab,;\t"\n\r '), max_size=60).map(str.encode), sizes=cuts)
def test_any_body_is_cut_at_line_breaks_alone_and_the_same_in_any_pieces(body: bytes, sizes: list[int]) -> None:
    """Also one that is no CSV; nothing is lost, and nothing comes twice."""
    whole = cut(body, [])
    assert cut(body, sizes) == whole
    assert b"\n".join(whole) + (b"\n" if body.endswith(b"\n") else b"") in {body, body + b"\n"} or not whole


@given(record=st.text(st.sampled_from('ab ,"\r\0ä'), min_size=1))
def test_a_record_is_taken_as_the_csv_module_takes_it_or_refused(record: str) -> None:
    """Which takes some that are no CSV."""
    try:
        found = cells_of(record.encode())
    except ValueError as error:
        assert str(error).startswith("not CSV")  # noqa: PT017 - one of two good ends
        return
    if '" ' not in record and ' "' not in record:
        assert found == [cell.strip(" ") for cell in (next(csv.reader([record.rstrip("\r")], strict=True), []) or [""])]


def test_a_line_break_within_quotes_makes_no_second_device() -> None:
    """Whoever wrote into that cell would be registered for somebody else."""
    assert cut(b'user_id,platform,token\n"q\n2",ios,"q:2"\nu,ios,t\n', []) == [
        b"user_id,platform,token",
        b'"q\n2",ios,"q:2"',
        b"u,ios,t",
    ]


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (b'u,5" screen,t', "column 2: a quote stands in a cell that does not begin with one"),
        (b'"u"x,ios', "column 1: something follows the quote that closes it"),
        (b'u,"a"b"', "column 2: something follows the quote"),
        (b'u,ios, "t', "column 3: the quote that opens it is never closed"),
        (b"a,b\rc,d", "a carriage return alone"),
        (b'"a",b\rc,d', "column 2: its lines end with a carriage return alone"),
        (b"\xb1\xe8,ios", "not UTF-8 but CP949"),
        (b"caf\xe9,ios", "not UTF-8: save it as UTF-8"),
        (b"x" * MAX_LINE + b"y", f"longer than {MAX_LINE} bytes"),
        (b'"x\n' + b"y" * MAX_LINE, "a quote that opens a cell is closed only lines later"),
    ],
)
def test_what_is_no_csv_is_told_where_and_what_to_do(record: bytes, said: str) -> None:
    """A bare quote ends no line, and opens no cell."""
    with pytest.raises(ValueError, match=said):
        cells_of(record)
    if b"\n" not in record and not said.endswith("never closed"):
        assert cut(record + b"\nnext\n", []) == [record, b"next"]


@pytest.mark.parametrize(
    ("header", "separator"),
    [
        (b"user_id,platform,token", ","),
        (b"USER_ID;Platform;Token", ";"),
        (b'"user_id"\t"platform"', "\t"),
        (b"name;user_id", ";"),
        (b"user_id", ","),
        (b"nothing;known", ","),
    ],
)
def test_the_separator_is_what_makes_the_columns_known(header: bytes, separator: str) -> None:
    """A comma, where nothing tells."""
    assert separator_of(header) == separator
    assert declared_separator(header) is None


@pytest.mark.parametrize(
    ("line", "separator"), [(b"sep=;", ";"), (b'"sep=,"\r', ","), (b"SEP=\t", "\t"), (b"sep=|", "|")]
)
def test_a_first_line_may_tell_the_separator(line: bytes, separator: str) -> None:
    """It becomes a blank one, so that lines keep their numbers."""
    records = CsvRecords()
    assert records.feed(b"\xef\xbb\xbf" + line + b"\nuser_id\n") == [b"", b"user_id"]
    assert records.separator == separator


def test_a_record_without_an_end_is_given_up() -> None:
    """Memory holds a mebibyte of one record, in however many pieces it comes."""
    for piece in (b"x" * 4096, b"x\n" * 2048):
        records = CsvRecords()
        records.feed(b'user_id\n"')
        for _ in range(MAX_SKIPPED // 4096 + 1):
            assert records.feed(piece) == []
        with pytest.raises(OverlongLineError):
            records.feed(b"x\n" * MAX_LINE)
