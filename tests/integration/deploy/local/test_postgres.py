"""The embedded PostgreSQL."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import psutil  # type: ignore[import-untyped]  # it ships no types
import pytest

from deploy.local.guardian import Guardian
from deploy.local.ports import is_free
from deploy.local.postgres import Postgres, start_postgres


@pytest.fixture
def guardian() -> Iterator[Guardian]:
    """End what a failing test leaves."""
    with Guardian() as guardian:
        yield guardian


async def ask(server: Postgres, statement: str) -> object:
    """Run one statement."""
    connection = await asyncpg.connect(server.url())
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_a_second_start_finds_the_data_of_the_first(tmp_path: Path, guardian: Guardian) -> None:
    """`./run up` goes on where it was."""
    first = start_postgres(tmp_path, guardian, durable=False)
    await ask(first, "create table kept as select 42 as answer")
    first.stop()
    second = start_postgres(tmp_path, guardian, durable=False)
    try:
        assert await ask(second, "select answer from kept") == 42
    finally:
        second.stop()


async def test_after_a_kill_it_starts_again_with_what_was_committed(tmp_path: Path, guardian: Guardian) -> None:
    """The stale pid file is no hindrance, and durability is on unless it is turned off."""
    first = start_postgres(tmp_path, guardian)
    await ask(first, "create table kept as select 42 as answer")
    first.process.kill()
    second = start_postgres(tmp_path, guardian)
    try:
        assert await ask(second, "select answer from kept") == 42
        assert await ask(second, "show fsync") == "on"
        assert await ask(second, "show synchronous_commit") == "on"
    finally:
        second.stop()


async def test_a_server_left_by_a_dead_stack_is_ended_first(tmp_path: Path, guardian: Guardian) -> None:
    """Whoever holds the folder's lock owns what runs on it."""
    orphan = start_postgres(tmp_path, guardian, durable=False)
    heir = start_postgres(tmp_path, guardian, durable=False)
    try:
        assert not orphan.process.running
        assert await ask(heir, "select 1") == 1
    finally:
        heir.stop()


async def test_a_pid_file_with_a_stranger_s_number_is_ignored(tmp_path: Path, guardian: Guardian) -> None:
    """A process that is no PostgreSQL on this folder is never touched."""
    start_postgres(tmp_path, guardian, durable=False).stop()
    (tmp_path / "data" / "postmaster.pid").write_text(f"{os.getppid()}\n/elsewhere\n")
    server = start_postgres(tmp_path, guardian, durable=False)
    server.stop()
    assert psutil.pid_exists(os.getppid())


async def test_nothing_is_left_after_a_stop(tmp_path: Path, guardian: Guardian) -> None:
    """Neither the process nor its port."""
    server = start_postgres(tmp_path, guardian, durable=False)
    assert not is_free(server.port)
    server.stop()
    assert not server.process.running
    assert server.process.exit_code == 0
    assert is_free(server.port)


async def test_an_interrupted_first_start_is_begun_again(tmp_path: Path, guardian: Guardian) -> None:
    """Half a cluster is never taken for a whole one."""
    (tmp_path / "data.new").mkdir()
    (tmp_path / "data.new" / "PG_VERSION").write_text("18\n")
    server = start_postgres(tmp_path, guardian, durable=False)
    server.process.send(signal.SIGINT)
    assert server.process.wait(10)
