"""An import: a stream of lines to rows, in chunks, each its own transaction.

`LineImport` is any such stream, `Import` is that of devices.

Memory is flat: one chunk fills while the one before it is written. Chunks are written in the body's order, so of
several lines with one target the last wins, within a chunk and over chunks.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Awaitable, Callable, Collection, Coroutine, Sequence
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from services.api.devices.lines import (
    MAX_LINE,
    DeviceRow,
    Lines,
    OverlongLineError,
    parse_line,
)
from services.api.http.encoding import BOM, BodyError, as_utf8
from services.api.http.faults import AWAY
from services.api.http.problems import INTERRUPTED, TOO_LARGE, Kind, ProblemError
from shared.observability import metrics

CHUNK = 1000
"""Devices in a transaction: 10 ms of PostgreSQL, 2 ms of this loop at a stretch. Twice as many gain 5 % (measured)."""
MAX_FAULTS = 100
"""Bad lines that the answer names; the others are counted."""
SLICE = 50
"""Lines parsed before other requests get their turn: 0.3 ms, of which a request meets one for each import and query."""

Key = TypeVar("Key")
Value = TypeVar("Value")
Write = Callable[[Sequence[DeviceRow]], Awaitable[None]]


class LineFault(BaseModel):
    """A line that was not registered."""

    line: int = Field(description="Its number in the body, from 1, where it begins; blank lines count")
    problem: str


class Imported(BaseModel):
    """What came of an import: received = registered + rejected."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "received": 3,
                    "registered": 2,
                    "rejected": 1,
                    "errors": [{"line": 2, "problem": "target.value is required"}],
                }
            ]
        }
    )

    received: int = Field(0, description="Lines with something on them")
    registered: int = Field(0, description="Lines that are in the registry now; of one target's lines, the last counts")
    rejected: int = Field(0, description="Lines that were not taken")
    errors: list[LineFault] = Field([], description=f"The first {MAX_FAULTS} of the rejected lines")


class Cut(Protocol):
    """What cuts a body into lines, as `Lines` does."""

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that end in this piece."""

    def rest(self) -> list[bytes]:
        """What is left behind the last line break."""


class LineImport(ABC, Generic[Key, Value]):
    """One import of lines; `draining` tells it to stop. What is in a chunk is committed together."""

    chunk_lines = CHUNK
    what = "devices"
    format = "NDJSON, one device a line"

    def __init__(self, draining: asyncio.Event) -> None:
        self.tally = Imported()
        self._draining = draining
        self._line = 0
        """Where the line in hand begins."""
        self._end = 0
        """Where it ends: a record of CSV may hold line breaks."""
        self._cut: Cut = Lines()
        self._chunk: dict[Key, Value] = {}
        self._filled = 0
        self._writing: asyncio.Task[None] | None = None

    @abstractmethod
    def _parse(self, line: bytes) -> None:
        """Count the line, and put it into the chunk or refuse it."""

    @abstractmethod
    def _committing(self) -> Coroutine[Any, Any, None]:
        """Take the chunk as it is now; the coroutine commits it and counts its lines as registered."""

    def _taken(self) -> tuple[dict[Key, Value], int]:
        """The chunk and the number of its lines; another one begins."""
        taken = self._chunk, self._filled
        self._chunk, self._filled = {}, 0
        return taken

    async def run(self, stream: AsyncIterable[bytes]) -> Imported:
        """Read to the end. Raises `ProblemError` when cut short: what was committed stays, and is told."""
        try:
            async for piece in as_utf8(stream):
                await self._take(self._cut.feed(piece))
            await self._take(self._cut.rest())
            await self._flush()
            await self._written()
        except OverlongLineError:
            raise await self._given_up(
                TOO_LARGE,
                f"Line {self._end + 1} does not end: a line may have {MAX_LINE} bytes. Is the body {self.format}?",
            ) from None
        except BodyError as error:
            raise await self._given_up(error.kind, error.said) from None
        except AWAY as error:
            raise self._interrupted(f"PostgreSQL could not be reached ({error}).") from error
        finally:
            if self._writing is not None:
                await asyncio.gather(self._writing, return_exceptions=True)
        return self.tally

    async def _take(self, lines: Sequence[bytes]) -> None:
        for start in range(0, len(lines), SLICE):
            if self._draining.is_set():
                await self._written()
                raise self._interrupted("The API is shutting down.")
            for line in lines[start : start + SLICE]:
                self._parse(line)
            if self._filled >= self.chunk_lines:
                await self._flush()
            await asyncio.sleep(0)

    def _reject(self, problem: str) -> str:
        """Refuse the line in hand; returns what is said of it."""
        if self._end > self._line:
            problem += f" (with what its quotes hold, it ends in line {self._end})"
        self.tally.rejected += 1
        if len(self.tally.errors) < MAX_FAULTS:
            self.tally.errors.append(LineFault(line=self._line, problem=problem))
        return problem

    async def _flush(self) -> None:
        """Hand the chunk to a writer, once the one before it is committed."""
        await self._written()
        if self._filled:
            self._writing = asyncio.create_task(self._committing(), name="import chunk")

    async def _written(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing

    async def _given_up(self, kind: Kind, why: str) -> ProblemError:
        """The refusal of a body that cannot be read on; what was read of it is registered."""
        await self._flush()
        await self._written()
        done = self.tally.registered
        return ProblemError(
            kind,
            f"{why} The {done} {self.what} before it are registered." if done else why,
            received=self.tally.received,
            registered=done,
        )

    def _interrupted(self, cause: str) -> ProblemError:
        done = self.tally.registered
        return ProblemError(
            INTERRUPTED,
            f"{cause} {done} {self.what} are registered; send the body again, whole: what is registered stays as it "
            f"is.",
            received=self.tally.received,
            registered=done,
        )


class Import(LineImport[bytes, DeviceRow]):
    """One import of devices; `write` commits a chunk."""

    def __init__(self, projects: Collection[str], write: Write, draining: asyncio.Event) -> None:
        super().__init__(draining)
        self._projects = projects
        self._write = write

    async def run(self, stream: AsyncIterable[bytes]) -> Imported:
        """Read to the end, and count what came of it."""
        try:
            return await super().run(stream)
        finally:
            metrics.DEVICES_REGISTERED.labels("registered").inc(self.tally.registered)
            metrics.DEVICES_REGISTERED.labels("rejected").inc(self.tally.rejected)

    def _parse(self, line: bytes) -> None:
        self._line = self._end = self._end + 1
        if self._line == 1:
            line = line.removeprefix(BOM)
        if not line or line.isspace():
            return
        self.tally.received += 1
        row = parse_line(line, self._projects)
        if isinstance(row, str):
            self._reject(row)
            return
        self._chunk[row.hash] = row
        self._filled += 1

    def _committing(self) -> Coroutine[Any, Any, None]:
        return self._commit(*self._taken())

    async def _commit(self, chunk: dict[bytes, DeviceRow], filled: int) -> None:
        # By hash: imports that meet on the same devices wait for each other instead of deadlocking.
        await self._write([chunk[key] for key in sorted(chunk)])
        self.tally.registered += filled
