"""A request's part of an import."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence

import pytest

from services.api.devices.imports.ingest import CHUNK
from services.api.devices.imports.progress import JobImport
from services.api.devices.imports.store import ImportProgress, Rejected
from services.api.devices.lines import DeviceRow
from services.api.http.problems import ProblemError


class Job:
    """A registry and a job's progress, in memory, committed together."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.users: dict[str, str] = {}
        self.lines = self.received = self.registered = self.rejected = 0
        self.kept: list[Rejected] = []
        self._commits = 0
        self._fail_at = fail_at

    async def commit(self, rows: Sequence[DeviceRow], progress: ImportProgress) -> None:
        """Take a chunk, or die before it."""
        await asyncio.sleep(0)
        if self._commits == self._fail_at:
            raise ConnectionResetError
        self._commits += 1
        self.users |= {row.target: row.user_id for row in rows}
        self.lines = progress.lines
        self.received += progress.received
        self.registered += progress.registered
        self.rejected += progress.rejected
        self.kept += progress.kept

    async def run(self, body: bytes, *, csv: bool = False) -> None:
        """Send a body, from where the job is."""
        job = JobImport({"default"}, self.commit, asyncio.Event(), csv=csv, done=self.lines, rejected=self.rejected)
        await job.run(pieces(body))


def line(number: int, user: str | None = None) -> bytes:
    """A line for target `number`."""
    target = {"kind": "token", "value": f"token-{number}"}
    return json.dumps({"user_id": user or f"user-{number}", "platform": "ios", "target": target}).encode() + b"\n"


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    """A body as it arrives."""
    for start in range(0, len(body), 4099):
        yield body[start : start + 4099]


async def test_progress_counts_what_is_committed_and_keeps_what_was_rejected() -> None:
    """With its number in the body, what is wrong, and what was sent."""
    job = Job()
    await job.run(line(1) + b"\n" + b"non\0sense\r\n" + line(2))
    assert (job.lines, job.received, job.registered, job.rejected) == (4, 3, 2, 1)
    assert [(one.line, one.content) for one in job.kept] == [(3, "non\ufffdsense")]
    assert job.kept[0].problem.startswith("not JSON")
    assert len(job.users) == 2


async def test_a_body_that_is_sent_again_goes_on_behind_what_was_committed() -> None:
    """However often it was cut short: each line is counted once, and the last line of a target wins."""
    lines = [line(n % 900, f"user-{n}") if n % 7 else b"bad\n" for n in range(5 * CHUNK)]
    whole, pieced = Job(), Job(fail_at=2)
    await whole.run(b"".join(lines))
    with pytest.raises(ConnectionResetError):
        await pieced.run(b"".join(lines))
    assert 2 * CHUNK <= pieced.received < 3 * CHUNK
    pieced._fail_at = None
    await pieced.run(b"".join(lines))
    for job in (whole, pieced):
        assert job.received == job.lines == 5 * CHUNK
        assert job.registered + job.rejected == job.received
    assert pieced.users == whole.users
    assert pieced.kept == whole.kept


async def test_csv_names_its_columns_again_when_it_is_sent_again() -> None:
    """The first line is read every time, and counted as no device."""
    body = b"user_id,platform,token\n" + b"".join(b"u,ios,token-%d\n" % n for n in range(3 * CHUNK))
    job = Job(fail_at=1)
    with pytest.raises(ConnectionResetError):
        await job.run(body, csv=True)
    job._fail_at = None
    await job.run(body, csv=True)
    assert (job.received, job.registered, len(job.users)) == (3 * CHUNK,) * 3


async def test_csv_without_columns_registers_nothing() -> None:
    """It is told before the second line."""
    job = Job()
    with pytest.raises(ProblemError, match="Line 1 has to name the columns"):
        await job.run(b"u,ios,t\n" * 10, csv=True)
    assert job.received == 0
    await job.run(b"", csv=True)


async def test_a_body_of_nothing_but_bad_lines_is_committed_in_chunks_too() -> None:
    """Memory does not grow with what is wrong."""
    job = Job()
    await job.run(b"x\n" * (3 * CHUNK + 5))
    assert job.rejected == len(job.kept) == 3 * CHUNK + 5
    assert job._commits >= 3
