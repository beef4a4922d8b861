"""A stream of user ids."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.api.audiences.list_upload import CHUNK, CSV, ListUpload
from services.api.http.content_type import NDJSON
from services.api.http.problems import TOO_LARGE, ProblemError


class Members:
    """A list in memory."""

    def __init__(self) -> None:
        self.users: set[str] = set()
        self.chunks: list[int] = []

    async def add(self, user_ids: list[str]) -> int:
        """Take a chunk."""
        before = len(self.users)
        self.users |= set(user_ids)
        self.chunks.append(len(user_ids))
        return len(self.users) - before


async def upload(members: Members, body: bytes, media: str = NDJSON[0]) -> ListUpload:
    """Upload a body."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1009):
            yield body[start : start + 1009]

    job = ListUpload(members.add, media, asyncio.Event())
    await job.run(pieces())
    return job


async def test_ids_are_lines_of_json() -> None:
    """In quotes; blank lines and a byte order mark are no trouble."""
    members = Members()
    job = await upload(members, b'\xef\xbb\xbf"user-1"\r\n\n"\xea\xb9\x80, \\"x\\""\n"user-1"')
    assert members.users == {"user-1", '김, "x"'}
    assert (job.tally.received, job.tally.registered, job.added) == (3, 3, 2)


async def test_ids_are_a_column_of_csv() -> None:
    """Whatever other columns there are."""
    members = Members()
    job = await upload(members, b'bought,user_id\n7,user-1\n8,"user,2"\n9\n10,\n', CSV)
    assert members.users == {"user-1", "user,2"}
    assert (job.tally.errors[0].line, job.tally.errors[0].problem) == (4, "it has no user_id")
    assert (job.tally.received, job.tally.rejected) == (4, 2)


async def test_a_line_break_within_quotes_ends_no_line() -> None:
    """Half of a cell is no user."""
    members = Members()
    job = await upload(members, b'note, USER_ID \n"one\nvictim, two",user-1\n"x", "user-2"\n"""\n,y"z,u\n', CSV)
    assert members.users == {"user-1", "user-2"}
    assert [(fault.line, "in line 6" in fault.problem) for fault in job.tally.errors] == [(5, True)]


@pytest.mark.parametrize("separator", [";", "\t", ","])
async def test_a_list_as_spreadsheets_save_it(separator: str) -> None:
    """Whatever separates its columns, and said or not."""
    for first in ("", f"sep={separator}\r\n"):
        members = Members()
        body = f"{first}Name,User_ID\r\nKim,user-1   \r\n,\r\n".replace(",", separator)
        await upload(members, body.encode(), CSV)
        assert members.users == {"user-1"}


async def test_a_column_that_is_named_twice_is_refused() -> None:
    """Which of them is meant nobody knows."""
    with pytest.raises(ProblemError, match="one of them user_id; 2 of them are"):
        await upload(Members(), b"user_id,USER_ID\na,b\n", CSV)


async def test_csv_without_the_column_is_refused() -> None:
    """Rather than taken for a list of one column."""
    with pytest.raises(ProblemError, match="one of them user_id"):
        await upload(Members(), b"user-1\nuser-2\n", CSV)


@pytest.mark.parametrize("bad", [b"user-1", b"7", b"[]", b'""', b'"a\\u0000"', b'"' + b"x" * 257 + b'"', b'"\xff"'])
async def test_a_bad_line_is_told_and_the_others_are_taken(bad: bytes) -> None:
    """By its number."""
    members = Members()
    job = await upload(members, b'"user-1"\n' + bad + b'\n"user-2"\n')
    assert members.users == {"user-1", "user-2"}
    assert [fault.line for fault in job.tally.errors] == [2]
    assert job.tally.errors[0].problem


async def test_ids_in_cp949_are_told_so() -> None:
    """As JSON and as CSV."""
    for body, media in (('"김"\n', NDJSON[0]), ("user_id\n김\n", CSV)):
        job = await upload(Members(), body.encode("cp949"), media)
        assert "CP949" in job.tally.errors[0].problem


async def test_many_ids_go_in_chunks() -> None:
    """Each its own transaction."""
    members = Members()
    await upload(members, b"".join(b'"user-%d"\n' % n for n in range(2 * CHUNK + 1)))
    assert len(members.users) == 2 * CHUNK + 1
    assert max(members.chunks) <= CHUNK + 50


async def test_a_line_without_an_end_is_no_list() -> None:
    """It is told what a list looks like."""
    with pytest.raises(ProblemError, match="one user id a line in quotes") as caught:
        await upload(Members(), b"x" * 2_000_000)
    assert caught.value.kind is TOO_LARGE
