"""CSV: a record of an import to a row of the registry. The first line names the columns, in any case and order.

| column | |
|---|---|
| user_id, platform | the platform in any case |
| token, or fid | the target; where both are columns, a record fills in one |
| project, locale, time_zone, app_version, last_seen | optional; an empty cell leaves it as it is |
| attributes.<name> | optional, any number; text; an empty cell leaves it as it is |
| without a name | empty, as a spreadsheet leaves them behind |
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from services.api.devices.imports.csv_records import (
    ATTRIBUTE,
    KNOWN,
    SEPARATORS,
    TARGETS,
    as_meant,
    cells_of,
    column_name,
    is_column,
)
from services.api.devices.lines import (
    KNOWN_LINE,
    DeviceRow,
    known_row,
    line_problem,
)
from services.api.http.problems import INVALID, ProblemError

AS_MEANT: Mapping[str, Callable[[str], str]] = {"user_id": as_meant, "platform": str.lower}
"""Columns whose cells are written in more than one way."""
_NO_PROJECT = {"project": None}


class CsvLines:
    """Reads the lines of one body, the one with the columns first."""

    def __init__(self, header: bytes, separator: str | None = None, line: int = 1) -> None:
        """Raises `ProblemError` when the columns, in this line, are not what an import takes."""
        self._separator = separator or SEPARATORS[0]
        try:
            self._columns = [column_name(name) for name in cells_of(header, self._separator)]
        except ValueError as error:
            raise ProblemError(INVALID, f"Line {line} has to name the columns; it is {error}.") from None
        # By number: a body without this line begins with a device, whose user and token are nobody's to repeat.
        strange = [str(number) for number, name in enumerate(self._columns, 1) if name and not is_column(name)]
        twice = sorted({name for name in self._columns if is_column(name) and self._columns.count(name) > 1})
        missing = [name for name in ("user_id", "platform") if name not in self._columns]
        if not set(TARGETS) & set(self._columns):
            missing.append("token or fid")
        faults = [
            f"{what}: {', '.join(names)}"
            for what, names in (("unknown columns", strange), ("named twice", twice), ("missing", missing))
            if names
        ]
        if faults:
            raise ProblemError(
                INVALID,
                f"Line {line} has to name the columns, with commas, semicolons or tabs between them. "
                f"{'; '.join(faults)[:500]}.",
            )
        # A column's name, its attribute's where it is one, and what becomes of its cells.
        self._places = [(name, name.partition(ATTRIBUTE)[2], AS_MEANT.get(name)) for name in self._columns]
        self._plain = not any(name in KNOWN or name.startswith(ATTRIBUTE) for name in self._columns)

    def parse(self, record: bytes, projects: Collection[str]) -> DeviceRow | str | None:
        """The row of a record, or what is wrong with it; None when all its cells are empty."""
        try:
            cells = cells_of(record, self._separator)
            if not any(cells):
                return None
            # As JSON, so that the two formats take the same.
            device = KNOWN_LINE.validate_json(to_json(self._document(cells)))
        except ValidationError as error:
            return line_problem(error)
        except ValueError as error:
            return str(error)
        row = known_row(device, projects)
        if self._plain and isinstance(row, DeviceRow) and row.project is not None:
            return row._replace(known=None)
        return row

    def _document(self, cells: Sequence[str]) -> dict[str, Any]:
        """The record as the JSON of an import has it. Raises `ValueError` for what columns alone rule out."""
        if len(cells) != len(self._columns):
            raise ValueError(f"it has {len(cells)} cells, and line 1 names {len(self._columns)} columns")
        document: dict[str, Any] = {}
        attributes: dict[str, str | None] = {}
        for (name, attribute, change), cell in zip(self._places, cells, strict=True):
            if attribute:
                attributes[attribute] = cell or None
            elif not cell:
                # Only of the project it is not the same as to say nothing.
                document |= _NO_PROJECT if name == "project" else {}
            elif name in TARGETS:
                if "target" in document:
                    raise ValueError("it has a token and a fid; a device is one of them")
                document["target"] = {"kind": name, "value": cell}
            elif name:
                document[name] = cell if change is None else change(cell)
            else:
                raise ValueError("it has something in a column that line 1 does not name")
        if any(attributes.values()):
            document["attributes"] = attributes
        return document
