"""One request's part of an import: lines to rows, and its progress with them, in chunks."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from typing import Any

from services.api.devices.imports.csv_lines import CsvLines
from services.api.devices.imports.csv_records import CsvRecords
from services.api.devices.imports.ingest import LineImport
from services.api.devices.imports.store import ImportProgress, Rejected
from services.api.devices.lines import MAX_LINE, DeviceRow, parse_line
from services.api.http.encoding import BOM
from shared.observability import metrics

KEPT_REJECTED = 100_000
"""Rejected lines of an import that are kept for download; the others are counted."""
NO_BYTES = "�"
"""What stands in a kept line for bytes that are no text, and for NUL, which PostgreSQL does not store."""

Commit = Callable[[Sequence[DeviceRow], ImportProgress], Awaitable[None]]


class JobImport(LineImport[bytes, DeviceRow]):
    """Goes on behind line `done`; `commit` writes a chunk and its progress together."""

    def __init__(
        self,
        projects: Collection[str],
        commit: Commit,
        draining: asyncio.Event,
        *,
        csv: bool,
        done: int,
        rejected: int,
    ) -> None:
        super().__init__(draining)
        self.format = (
            "CSV, one device a line, and is each quote closed that opens a cell" if csv else "NDJSON, one device a line"
        )
        self._projects = projects
        self._write = commit
        self._records = CsvRecords() if csv else None
        self._cut = self._records or self._cut
        self._csv: CsvLines | None = None
        self._done = done
        self._rejected_before = rejected
        self._bad: list[Rejected] = []
        self._bad_count = 0
        self._received = 0

    def _parse(self, line: bytes) -> None:
        self._line = self._end = self._end + 1
        if self._line == 1:
            line = line.removeprefix(BOM)
        if self._records is not None:
            self._end += line.count(b"\n")
        if not line or line.isspace():
            return
        if self._records is not None and self._csv is None:
            self._csv = CsvLines(line, self._records.separator, self._line)
            return
        if self._line <= self._done:
            return
        row = parse_line(line, self._projects) if self._csv is None else self._csv.parse(line, self._projects)
        if row is None:
            return
        self.tally.received += 1
        self._received += 1
        self._filled += 1
        if isinstance(row, str):
            row = self._reject(row)
            self._bad_count += 1
            if self._rejected_before + self.tally.rejected <= KEPT_REJECTED:
                self._bad.append(Rejected(self._line, row.replace("\0", NO_BYTES), _as_text(line[: MAX_LINE + 1])))
            return
        self._chunk[row.hash] = row

    def _committing(self) -> Coroutine[Any, Any, None]:
        progress = ImportProgress(
            lines=self._end,
            received=self._received,
            registered=self._received - self._bad_count,
            rejected=self._bad_count,
            kept=self._bad,
        )
        self._bad, self._bad_count, self._received = [], 0, 0
        chunk, _ = self._taken()
        return self._save([chunk[key] for key in sorted(chunk)], progress)

    async def _save(self, rows: Sequence[DeviceRow], progress: ImportProgress) -> None:
        await self._write(rows, progress)
        self.tally.registered += progress.registered
        metrics.DEVICES_REGISTERED.labels("registered").inc(progress.registered)
        metrics.DEVICES_REGISTERED.labels("rejected").inc(progress.rejected)


def _as_text(line: bytes) -> str:
    return line.decode(errors="replace").replace("\0", NO_BYTES).rstrip("\r")
