"""An import's bookkeeping, over a writer that only remembers."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence

import pytest

from services.api.devices.imports.ingest import CHUNK, MAX_FAULTS, Import
from services.api.devices.lines import MAX_LINE, MAX_SKIPPED, DeviceRow
from services.api.http.problems import INTERRUPTED, TOO_LARGE, ProblemError
from shared.errors import DatabaseUnavailableError


class Registry:
    """Keeps what is written; fails at the chunk `fail_at`."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.devices: dict[bytes, DeviceRow] = {}
        self.chunks: list[int] = []
        self._fail_at = fail_at

    async def write(self, rows: Sequence[DeviceRow]) -> None:
        """Commit a chunk."""
        await asyncio.sleep(0)
        if len(self.chunks) == self._fail_at:
            raise DatabaseUnavailableError("gone")
        assert list(rows) == sorted(rows, key=lambda row: row.hash)
        self.chunks.append(len(rows))
        self.devices |= {row.hash: row for row in rows}


def device(number: int, user: str | None = None) -> bytes:
    """A line for target `number`."""
    target = {"kind": "token", "value": f"token-{number}"}
    return json.dumps({"user_id": user or f"user-{number}", "platform": "ios", "target": target}).encode()


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    """A body as it arrives."""
    for part in parts:
        yield part


def importing(registry: Registry, draining: asyncio.Event | None = None) -> Import:
    """An import into the registry."""
    return Import({"default"}, registry.write, draining or asyncio.Event())


async def test_good_lines_are_registered_and_bad_ones_are_told_by_number() -> None:
    """A byte order mark, carriage returns and blank lines are no trouble; blank lines count in numbers."""
    registry = Registry()
    body = b"\xef\xbb\xbf" + device(1) + b"\r\n\n  \nnonsense\n" + device(2)
    imported = await importing(registry).run(pieces(body))
    assert (imported.received, imported.registered, imported.rejected) == (3, 2, 1)
    assert [fault.line for fault in imported.errors] == [4]
    assert len(registry.devices) == 2


async def test_of_several_lines_with_one_target_the_last_wins_within_a_chunk_and_over_chunks() -> None:
    """All of them count as registered."""
    registry = Registry()
    lines = [device(0, "first"), *map(device, range(1, CHUNK)), device(0, "second"), device(0, "third")]
    imported = await importing(registry).run(pieces(b"\n".join(lines)))
    assert imported.registered == len(lines)
    assert registry.chunks[0] == CHUNK
    assert {row.user_id for row in registry.devices.values() if row.target == "token-0"} == {"third"}


async def test_the_first_hundred_bad_lines_are_named_and_all_are_counted() -> None:
    """The answer stays small."""
    imported = await importing(Registry()).run(pieces(b"x\n" * (MAX_FAULTS + 50)))
    assert (imported.rejected, len(imported.errors)) == (MAX_FAULTS + 50, MAX_FAULTS)


async def test_an_empty_body_registers_nothing() -> None:
    """An export of nobody is no error."""
    assert (await importing(Registry()).run(pieces(b""))).received == 0


async def test_an_import_stops_at_a_drain_and_tells_what_is_registered() -> None:
    """A shutdown does not wait for a million lines."""
    registry, draining = Registry(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"".join(device(number) + b"\n" for number in range(CHUNK))
        draining.set()
        yield device(CHUNK) + b"\n"

    with pytest.raises(ProblemError) as caught:
        await importing(registry, draining).run(body())
    assert caught.value.kind is INTERRUPTED
    assert caught.value.more["registered"] == len(registry.devices) == CHUNK


async def test_a_database_that_goes_away_interrupts_and_what_was_committed_is_told() -> None:
    """The second chunk fails, the first one stays."""
    registry = Registry(fail_at=1)
    with pytest.raises(ProblemError) as caught:
        await importing(registry).run(pieces(b"\n".join(map(device, range(3 * CHUNK)))))
    assert caught.value.kind is INTERRUPTED
    assert caught.value.more["registered"] == len(registry.devices) == CHUNK


async def test_a_line_without_an_end_is_refused_and_what_came_before_is_registered() -> None:
    """The answer names the line."""
    registry = Registry()
    endless = [b"x" * MAX_LINE] * (MAX_SKIPPED // MAX_LINE + 3)
    with pytest.raises(ProblemError, match="Line 2 does not end") as caught:
        await importing(registry).run(pieces(device(1) + b"\n", *endless))
    assert caught.value.kind is TOO_LARGE
    assert len(registry.devices) == 1


async def test_a_client_that_leaves_leaves_no_writer_behind() -> None:
    """What a chunk has begun is finished before the import ends."""
    registry = Registry()

    async def body() -> AsyncIterator[bytes]:
        yield b"".join(device(number) + b"\n" for number in range(CHUNK))
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await importing(registry).run(body())
    assert len(registry.devices) == CHUNK
