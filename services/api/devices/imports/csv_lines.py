"""CSV: a line of an import to a row of the registry. The first line names the columns.

| column | |
|---|---|
| user_id, platform | |
| token, or fid | the target; where both are columns, a line fills in one |
| project, locale, time_zone, app_version, last_seen | optional; an empty cell says nothing |
| attributes.<name> | optional, any number; text |

One device a line: a cell in quotes may hold commas and quotes, not a line break.
"""

import csv
from collections.abc import Collection, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from services.api.devices.lines import (
    KNOWN_LINE,
    MAX_LINE,
    DeviceRow,
    known_row,
    line_problem,
)
from services.api.http.problems import INVALID, ProblemError

TARGETS = ("token", "fid")
PLAIN = frozenset({"user_id", "platform", "project"})
KNOWN = frozenset({"locale", "time_zone", "app_version", "last_seen"})
ATTRIBUTE = "attributes."


class CsvLines:
    """Reads the lines of one body, the one with the columns first."""

    def __init__(self, header: bytes) -> None:
        """Raises `ProblemError` when the columns are not what an import takes."""
        try:
            self._columns = [name.strip() for name in cells_of(header)]
        except ValueError as error:
            raise ProblemError(INVALID, f"Line 1 has to name the columns; it is {error}.") from None
        # By number: a body without this line begins with a device, whose user and token are nobody's to repeat.
        strange = [str(number) for number, name in enumerate(self._columns, 1) if not _is_column(name)]
        twice = sorted({name for name in self._columns if _is_column(name) and self._columns.count(name) > 1})
        missing = [name for name in ("user_id", "platform") if name not in self._columns]
        if not set(TARGETS) & set(self._columns):
            missing.append("token or fid")
        faults = [
            f"{what}: {', '.join(names)}"
            for what, names in (("unknown columns", strange), ("named twice", twice), ("missing", missing))
            if names
        ]
        if faults:
            raise ProblemError(INVALID, f"Line 1 has to name the columns. {'; '.join(faults)[:500]}.")
        # A column's name, and its attribute's where it is one.
        self._places = [(name, name.partition(ATTRIBUTE)[2]) for name in self._columns]
        self._plain = not any(name in KNOWN or name.startswith(ATTRIBUTE) for name in self._columns)

    def parse(self, line: bytes, projects: Collection[str]) -> DeviceRow | str:
        """The row of a line, or what is wrong with it."""
        try:
            cells = cells_of(line)
        except ValueError as error:
            return str(error)
        if len(cells) != len(self._columns):
            return f"it has {len(cells)} cells, and line 1 names {len(self._columns)} columns"
        document = self._document(cells)
        if isinstance(document, str):
            return document
        try:
            # As JSON, so that the two formats take the same.
            device = KNOWN_LINE.validate_json(to_json(document))
        except ValidationError as error:
            return line_problem(error)
        row = known_row(device, projects)
        return row._replace(known=None) if self._plain and isinstance(row, DeviceRow) else row

    def _document(self, cells: Sequence[str]) -> dict[str, Any] | str:
        """The line as the JSON of an import has it."""
        document: dict[str, Any] = {}
        attributes: dict[str, str] = {}
        for (name, attribute), cell in zip(self._places, cells, strict=True):
            if not cell:
                continue
            if attribute:
                attributes[attribute] = cell
            elif name in TARGETS:
                if "target" in document:
                    return "it has a token and a fid; a device is one of them"
                document["target"] = {"kind": name, "value": cell}
            else:
                document[name] = cell
        if attributes:
            document["attributes"] = attributes
        return document


def _is_column(name: str) -> bool:
    return name in PLAIN or name in KNOWN or name in TARGETS or name.startswith(ATTRIBUTE)


def cells_of(line: bytes) -> list[str]:
    """The cells of a line. Raises `ValueError`, which says what it is instead of CSV."""
    if len(line) > MAX_LINE:
        raise ValueError(f"longer than {MAX_LINE} bytes")
    try:
        text = line.decode().rstrip("\r")
        if text and '"' not in text and "\r" not in text:
            # The csv module would find the same, and take five times as long.
            return text.split(",")
        return next(csv.reader([text], strict=True))
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except (csv.Error, StopIteration) as error:
        raise ValueError(f"not CSV: {error}") from None
