"""A body of CSV to its records and their cells, as RFC 4180 has them: pure, and part of the hot path of an import.

A record ends at a line break that no quotes hold. A quote opens a cell only at its beginning, blanks passed over, and
inside quotes is written twice. What stands outside of that is no CSV: the record is refused up to the line break where
it ends, since half of a cell, taken as a line, would be a device of whoever wrote into that cell.
"""

import functools
import re
from dataclasses import dataclass

from services.api.devices.lines import MAX_LINE, MAX_SKIPPED, OverlongLineError
from services.api.http.encoding import BOM, not_utf8

TARGETS = ("token", "fid")
PLAIN = frozenset({"user_id", "platform", "project"})
KNOWN = frozenset({"locale", "time_zone", "app_version", "last_seen"})
ATTRIBUTE = "attributes."

SEPARATORS = (",", ";", "\t")
"""What stands between cells, the first being what is taken where a body leaves it open."""
BLANKS = " \t"
"""Around a cell these are no part of it: databases pad `char(n)` with them, people write one behind a comma."""
CHANGED_WHEN_OPENED = "([=+@\t\r\uff1d\uff0b\uff20\uff0d-]|0[0-9]|[0-9]{16})"
"""Beginnings of cells that a spreadsheet runs as formulas, in full width too, or rounds; a pattern of SQL, too."""
_KEPT_AS_TEXT = re.compile(f"'+{CHANGED_WHEN_OPENED}")
_RETURN = "its lines end with a carriage return alone; save it with line breaks (LF or CRLF)"
_DECLARED = re.compile(r'"?sep=([^\w"\s]|\t)"?\s*', re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Forms:
    """The patterns of one separator; possessive throughout, so that no record costs more than its length."""

    ends_open: re.Pattern[bytes]
    """A line that ends within a cell in quotes."""
    record: re.Pattern[str]
    """A whole record as it has to be."""
    cell: re.Pattern[str]
    """A cell of such a record, by whether it has quotes."""
    wrong: re.Pattern[str]
    """The cells of a record before the one that is wrong."""


@functools.cache
def _forms(separator: str) -> _Forms:
    s = re.escape(separator)
    blank = "[ ]*+" if separator == "\t" else "[ \\t]*+"
    opened = f'{blank}"[^"]*+(?:""[^"]*+)*+'
    plain = f'(?!{blank}")[^{s}]*+'
    good = f'(?>{opened}"{blank}(?={s}|\\Z)|[^"{s}\r]*+(?={s}|\\Z))'
    return _Forms(
        re.compile(f'(?:(?>{opened}"[^{s}]*+|{plain}){s})*+{opened}\\Z'.encode()),
        re.compile(f"{good}(?:{s}{good})*+\\Z"),
        re.compile(f'(?:\\A|{s}){blank}(?:"([^"]*+(?:""[^"]*+)*+)"|([^"{s}]*+))'),
        re.compile(f"(?:{good}{s})*+"),
    )


def column_name(cell: str) -> str:
    """A column as line 1 names it, in our own case; an attribute keeps the case of its name."""
    name = cell.strip()
    lower = name.lower()
    return ATTRIBUTE + name[len(ATTRIBUTE) :] if lower.startswith(ATTRIBUTE) else lower


def is_column(name: str) -> bool:
    """Whether an import knows it."""
    return name in PLAIN or name in KNOWN or name in TARGETS or name.startswith(ATTRIBUTE)


def as_meant(cell: str) -> str:
    """A cell of an export for spreadsheets as it was before an apostrophe kept it as text.

    >>> as_meant("'+8210"), as_meant("''=1"), as_meant("'007"), as_meant("'tis"), as_meant("+8210")
    ('+8210', "'=1", '007', "'tis", '+8210')
    """
    return cell[1:] if cell[:1] == "'" and _KEPT_AS_TEXT.match(cell) else cell


def declared_separator(line: bytes) -> str | None:
    """The separator that a first line `sep=;` tells, as spreadsheets write it; None for any other line."""
    found = _DECLARED.fullmatch(line.decode(errors="replace"))
    return found[1] if found else None


def separator_of(header: bytes) -> str:
    """What stands between the names of the columns: the one that makes the most names that are known."""
    text = header.decode(errors="replace").replace('"', "")

    def known(separator: str) -> int:
        return sum(is_column(column_name(cell)) for cell in text.split(separator))

    return max(SEPARATORS, key=known)


class CsvRecords:
    """Cuts a stream of bytes into records, in the manner of `Lines`; holds one piece and one record of any length.

    A record that is too long comes whole, up to `MAX_SKIPPED`. `separator` is known once line 1 has come; a line
    `sep=` becomes a blank one.
    """

    def __init__(self) -> None:
        self.separator: str | None = None
        self._first = True
        self._tail: list[bytes] = []
        self._open: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """The records that end in this piece, without their last line break."""
        if b"\n" not in piece:
            self._tail.append(piece)
            return self._bounded(len(piece), [])
        data = b"".join((*self._tail, piece))
        lines = data.split(b"\n")
        self._tail = [lines.pop()]
        if self.separator is None:
            self._learn(lines)
        records = self._records(lines) if self._open or b'"' in data else lines
        self._size = sum(map(len, self._open))
        return self._bounded(len(self._open) + len(self._tail[0]), records)

    def rest(self) -> list[bytes]:
        """The last record, when it has no line break, or quotes that nobody closed."""
        lines = [line for line in (b"".join(self._tail),) if line]
        if self.separator is None:
            self._learn(lines)
        records = self._records(lines)
        last, self._open, self._tail = self._open, [], []
        return records + ([b"\n".join(last)] if last else [])

    def _bounded(self, more: int, records: list[bytes]) -> list[bytes]:
        self._size += more
        if self._size > MAX_SKIPPED + MAX_LINE:
            raise OverlongLineError
        return records

    def _learn(self, lines: list[bytes]) -> None:
        for place, line in enumerate(lines):
            text = line.removeprefix(BOM) if self._first else line
            declared = declared_separator(text) if self._first else None
            self._first = False
            if declared:
                lines[place] = b""
                self.separator = declared
                return
            if text and not text.isspace():
                self.separator = separator_of(text)
                return

    def _records(self, lines: list[bytes]) -> list[bytes]:
        ends_open = _forms(self.separator or SEPARATORS[0]).ends_open.match
        records: list[bytes] = []
        for line in lines:
            if self._open:
                self._open.append(line)
                # What is inside of quotes is what a cell that begins with one is.
                if b'"' in line and not ends_open(b'"' + line):
                    records.append(b"\n".join(self._open))
                    self._open = []
            elif b'"' in line and ends_open(line):
                self._open.append(line)
            else:
                records.append(line)
        return records


def cells_of(record: bytes, separator: str = SEPARATORS[0]) -> list[str]:
    """The cells of a record, without the blanks around them. Raises `ValueError`, which says what it is instead."""
    if len(record) > MAX_LINE:
        raise ValueError(f"longer than {MAX_LINE} bytes{_unclosed(record)}")
    try:
        text = record.decode().rstrip("\r")
    except UnicodeDecodeError:
        raise ValueError(not_utf8(record)) from None
    if '"' not in text:
        if "\r" in text:
            raise ValueError(f"not CSV: {_RETURN}")
        cells = text.split(separator)
    elif len(cells := text[1:-1].split(f'"{separator}"')) * 2 == text.count('"') and text[0] == text[-1] == '"':
        # Each cell is in quotes and holds none: the quickest to cut.
        pass
    else:
        forms = _forms(separator)
        if forms.record.match(text) is None:
            raise ValueError(_fault(text, separator))
        cells = [quoted or plain for quoted, plain in forms.cell.findall(text)]
        if '""' in text:
            cells = [cell.replace('""', '"') for cell in cells]
    return [cell.strip(BLANKS) for cell in cells] if " " in text or "\t" in text else cells


def _fault(text: str, separator: str) -> str:
    """What keeps a record from being CSV, and where."""
    found = _forms(separator).wrong.match(text)
    before = found[0] if found else ""
    number = len(_forms(separator).cell.findall(before[:-1])) + 1 if before else 1
    cell = text[len(before) :].lstrip(BLANKS)
    if "\r" in (plain := cell.partition(separator)[0]) and '"' not in plain:
        why = _RETURN
    elif not cell.startswith('"'):
        why = "a quote stands in a cell that does not begin with one; write the cell in quotes, and that quote twice"
    elif _forms(separator).ends_open.match(text.encode()):
        why = "the quote that opens it is never closed; close it, or write it twice in a cell in quotes"
    else:
        why = "something follows the quote that closes it; a quote inside of quotes is written twice"
    return f"not CSV: column {number}: {why}"


def _unclosed(record: bytes) -> str:
    return ", for a quote that opens a cell is closed only lines later, or never" if b"\n" in record else ""
