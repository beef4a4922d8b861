"""The files of `written`, which real tools wrote of four devices: what an import and a list take of them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.api.audiences.list_upload import CSV, ListUpload
from services.api.devices.imports.progress import JobImport
from services.api.devices.imports.store import ImportProgress, Rejected
from services.api.devices.lines import DeviceRow
from services.api.http.problems import ProblemError

FOLDER = Path(__file__).parent / "written"
AT = datetime(2026, 11, 20, 9, 30, 15, tzinfo=UTC)
PROJECTS = frozenset({"default"})
WHOLE = [
    ("u-1", "android", "tok:1", None, "ko-KR", AT.replace(microsecond=123_456), '{"plan":"pro","note":null}'),
    ("u-3", "web", "tok:3", "default", None, None, '{"plan":null,"note":"one\\ntwo"}'),
    ("u-4", "ios", "tok:4", None, None, AT.replace(microsecond=100_000), '{"plan":"free","note":null}'),
    ("김, 민수", "ios", "tok:2", None, None, AT, '{"plan":null,"note":"say \\"hi\\""}'),
]
EXPORT = "libreoffice-7.4.7-export.csv"
TAKEN = [
    "psql-15.18.csv",
    "psql-15.18-kolkata.csv",
    "psql-15.18.ndjson",
    "duckdb-2.0.1.csv",
    "duckdb-2.0.1.ndjson",
    "pandas-3.1.1.csv",
    "pandas-3.1.1.ndjson",
    "polars-2.1.0.csv",
    "polars-2.1.0.ndjson",
    "libreoffice-7.4.7.csv",
    "libreoffice-7.4.7-semicolon.csv",
    "libreoffice-7.4.7-tab-utf-16.csv",
]


class Written:
    """What an import commits."""

    def __init__(self) -> None:
        self.rows: list[DeviceRow] = []
        self.rejected: list[Rejected] = []

    async def commit(self, rows: Sequence[DeviceRow], progress: ImportProgress) -> None:
        """Keep a chunk."""
        self.rows += rows
        self.rejected += progress.kept


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    """A body as it comes."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def imported(name: str, size: int = 11) -> Written:
    """Import a file."""
    written = Written()
    is_csv = not name.endswith(".ndjson")
    run = JobImport(PROJECTS, written.commit, asyncio.Event(), csv=is_csv, done=0, rejected=0)
    await run.run(pieces((FOLDER / name).read_bytes(), size))
    return written


def told(row: DeviceRow) -> tuple[str | None, str, str, str | None, str | None, datetime | None, str | None]:
    """What a file says of a device."""
    known = row.known
    assert known is not None
    return (row.user_id, row.platform, row.target, row.project, known.locale, known.last_seen, known.attributes)


@pytest.mark.parametrize("name", TAKEN)
async def test_a_file_of_a_tool_registers_all_its_devices(name: str) -> None:
    """Padded cells, line breaks within quotes, nulls, instants, separators and encodings as the tool has them."""
    found = await imported(name)
    assert found.rejected == []
    wanted = {row[0]: row for row in WHOLE}
    if name == "pandas-3.1.1.ndjson":
        # Its ISO form ends at milliseconds.
        first = wanted["u-1"]
        wanted["u-1"] = (*first[:5], AT.replace(microsecond=123_000), first[6])
    assert {row.user_id: told(row) for row in found.rows} == wanted


@pytest.mark.parametrize("name", [name for name in TAKEN if not name.endswith(".ndjson")])
async def test_a_file_of_a_tool_is_a_list_of_all_its_users(name: str) -> None:
    """By its column of users."""
    users: set[str] = set()

    async def add(user_ids: list[str]) -> int:
        users.update(user_ids)
        return len(user_ids)

    job = ListUpload(add, CSV, asyncio.Event())
    await job.run(pieces((FOLDER / name).read_bytes(), 5))
    assert (users, job.tally.rejected) == ({row[0] for row in WHOLE}, 0)


@pytest.mark.parametrize(
    ("name", "lines", "said"),
    [
        ("duckdb-2.0.1-zoneless.csv", [2, 3, 6], "last_seen: this time does not say its offset from UTC"),
        ("libreoffice-7.4.7-dates.csv", [2, 3, 6], "last_seen: this time does not say its offset from UTC"),
        ("pandas-3.1.1-epoch.ndjson", [1, 2, 4], "last_seen: a number does not say whether it counts seconds"),
        ("libreoffice-7.4.7-cp949.csv", [3], "not UTF-8 but CP949"),
    ],
)
async def test_what_a_file_leaves_open_is_told_line_by_line(name: str, lines: list[int], said: str) -> None:
    """By the line where a record begins, and in words that say what to do."""
    found = await imported(name)
    assert [one.line for one in found.rejected] == lines
    assert all(said in one.problem for one in found.rejected)


async def test_an_export_that_a_spreadsheet_opened_and_saved_is_the_same_list() -> None:
    """Nothing ran, and no digit is lost."""
    users: list[str] = []

    async def add(user_ids: list[str]) -> int:
        users.extend(user_ids)
        return len(user_ids)

    job = ListUpload(add, CSV, asyncio.Event())
    await job.run(pieces((FOLDER / EXPORT).read_bytes(), 5))
    assert users == sorted(["=1+1", "+8210", "-5", "@x", "'=1", "'tis", "김, 민수", "007", "12345678901234567890"])


async def test_a_workbook_is_told_to_be_one() -> None:
    """It is no text."""
    with pytest.raises(ProblemError, match=r"\.xlsx"):
        await imported("openpyxl-3.1.5.xlsx")


def test_every_file_of_the_folder_is_read() -> None:
    """And each is told of in the guide."""
    refused = {"duckdb-2.0.1-zoneless.csv", "libreoffice-7.4.7-dates.csv", "pandas-3.1.1-epoch.ndjson"}
    refused |= {"libreoffice-7.4.7-cp949.csv", "openpyxl-3.1.5.xlsx"}
    assert {path.name for path in FOLDER.iterdir()} == {*TAKEN, *refused, EXPORT, "write.sh"}
