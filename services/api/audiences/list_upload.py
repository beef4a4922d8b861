"""The upload of a list: a stream of user ids to rows; 10,000,000 in flat memory.

One a line, in quotes as JSON, or as the column `user_id` of CSV, of which the other columns are passed over.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from pydantic import TypeAdapter, ValidationError

from services.api.devices.imports.csv_records import CsvRecords, as_meant, cells_of, column_name
from services.api.devices.imports.ingest import LineImport
from services.api.devices.lines import MAX_LINE, UserId, line_problem
from services.api.http.encoding import BOM, is_cp949, not_utf8
from services.api.http.problems import INVALID, ProblemError

CHUNK = 5000
"""Users in a transaction: 40 ms of PostgreSQL, for which a send that seals the list may have to wait."""
CSV = "text/csv"
USER_ID = "user_id"

LINE = TypeAdapter(UserId)

Add = Callable[[list[str]], Awaitable[int]]


class ListUpload(LineImport[str, None]):
    """One upload; `add` commits a chunk and tells how many of it were not in the list."""

    chunk_lines = CHUNK
    what = "users"

    def __init__(self, add: Add, media: str, draining: asyncio.Event) -> None:
        super().__init__(draining)
        self.added = 0
        self.format = (
            "CSV with a column user_id, and is each quote closed that opens a cell"
            if media == CSV
            else "NDJSON, one user id a line in quotes"
        )
        self._add = add
        self._records = CsvRecords() if media == CSV else None
        self._cut = self._records or self._cut
        self._separator = ""
        self._columns: list[str] = []
        self._parse_id = self._from_csv if media == CSV else self._from_json

    def _parse(self, line: bytes) -> None:
        self._line = self._end = self._end + 1
        if self._line == 1:
            line = line.removeprefix(BOM)
        if self._records is not None:
            self._end += line.count(b"\n")
        if not line or line.isspace():
            return
        try:
            user_id = self._parse_id(line)
        except ValidationError as error:
            self._refuse(not_utf8(line) if is_cp949(line) else line_problem(error).lstrip(": "))
            return
        except ValueError as error:
            self._refuse(str(error))
            return
        if user_id is None:
            return
        self.tally.received += 1
        self._chunk[user_id] = None
        self._filled += 1

    def _refuse(self, problem: str) -> None:
        self.tally.received += 1
        self._reject(problem)

    def _from_json(self, line: bytes) -> str:
        if len(line) > MAX_LINE:
            raise ValueError(f"longer than {MAX_LINE} bytes")
        return LINE.validate_json(line)

    def _from_csv(self, record: bytes) -> str | None:
        """The id of a record; None for the first one, which names the columns, and where all cells are empty."""
        if not self._columns:
            self._columns = self._named(record)
            return None
        cells = cells_of(record, self._separator)
        if len(cells) > len(self._columns) and any(cells[len(self._columns) :]):
            raise ValueError(f"it has {len(cells)} cells, and the columns are {len(self._columns)}")
        if not any(cells):
            return None
        place = self._columns.index(USER_ID)
        if place >= len(cells):
            raise ValueError("it has no user_id")
        return LINE.validate_python(as_meant(cells[place]))

    def _named(self, header: bytes) -> list[str]:
        self._separator = (self._records and self._records.separator) or ","
        try:
            columns = [column_name(cell) for cell in cells_of(header, self._separator)]
        except ValueError as error:
            raise ProblemError(INVALID, f"Line {self._line} has to name the columns; it is {error}.") from None
        if columns.count(USER_ID) != 1:
            raise ProblemError(
                INVALID,
                f"Line {self._line} has to name the columns, with commas, semicolons or tabs between them, and one of "
                f"them user_id; {columns.count(USER_ID)} of them are.",
            )
        return columns

    def _committing(self) -> Coroutine[Any, Any, None]:
        return self._commit(*self._taken())

    async def _commit(self, chunk: dict[str, None], filled: int) -> None:
        # In one order: uploads to one list never wait for each other crosswise.
        self.added += await self._add(sorted(chunk))
        self.tally.registered += filled
