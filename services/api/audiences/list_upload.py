"""The upload of a list: a stream of user ids, one a line, to rows; 10,000,000 in flat memory."""

import asyncio
import csv
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from pydantic import TypeAdapter, ValidationError

from services.api.devices.imports.ingest import BOM, LineImport
from services.api.devices.lines import MAX_LINE, UserId, line_problem
from services.api.http.problems import INVALID, ProblemError

CHUNK = 5000
"""Users in a transaction: 40 ms of PostgreSQL, for which a send that seals the list may have to wait."""
CSV = "text/csv"

LINE = TypeAdapter(UserId)

Add = Callable[[list[str]], Awaitable[int]]


class ListUpload(LineImport[str, None]):
    """One upload; `add` commits a chunk and tells how many of it were not in the list."""

    chunk_lines = CHUNK
    what = "users"

    def __init__(self, add: Add, media: str, draining: asyncio.Event) -> None:
        super().__init__(draining)
        self.added = 0
        self.format = "CSV with a column user_id" if media == CSV else "NDJSON, one user id a line in quotes"
        self._add = add
        self._column: int | None = None
        self._parse_id = self._from_csv if media == CSV else self._from_json

    def _parse(self, line: bytes) -> None:
        self._line += 1
        if self._line == 1:
            line = line.removeprefix(BOM)
        if not line or line.isspace():
            return
        try:
            user_id = self._parse_id(line)
        except ValidationError as error:
            self._refuse(line_problem(error).lstrip(": "))
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

    def _from_csv(self, line: bytes) -> str | None:
        """The id of a line; None for the first one, which names the columns."""
        if len(line) > MAX_LINE:
            raise ValueError(f"longer than {MAX_LINE} bytes")
        try:
            cells = next(csv.reader([line.decode().rstrip("\r")], strict=True))
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"not CSV in UTF-8: {error}") from None
        if self._column is None:
            if "user_id" not in cells:
                raise ProblemError(INVALID, "The first line has to name the columns, and one of them user_id.")
            self._column = cells.index("user_id")
            return None
        if self._column >= len(cells):
            raise ValueError("it has no user_id")
        return LINE.validate_python(cells[self._column])

    def _committing(self) -> Coroutine[Any, Any, None]:
        return self._commit(*self._taken())

    async def _commit(self, chunk: dict[str, None], filled: int) -> None:
        # In one order: uploads to one list never wait for each other crosswise.
        self.added += await self._add(sorted(chunk))
        self.tally.registered += filled
