"""Bodies that come packed."""

import gzip
import zlib
from collections.abc import AsyncIterator

import hypothesis
import pytest
from hypothesis import strategies as st

from services.api.http.encoding import BodyError
from services.api.http.packed import FREE, PIECE, RATIO, unpacked
from services.api.http.problems import TOO_LARGE

ONE = gzip.compress(b"x")


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    """A body as it comes."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def unpack(body: bytes, size: int = 1009) -> bytes:
    """What is in a body, in pieces that are bounded."""
    found = [piece async for piece in unpacked(pieces(body, size))]
    assert all(len(piece) <= PIECE for piece in found)
    return b"".join(found)


@hypothesis.given(
    parts=st.lists(st.binary(max_size=300) | st.integers(PIECE - 300, PIECE + 300).map(bytes), min_size=1, max_size=4),
    size=st.integers(1, 400),
    level=st.integers(0, 9),
)
async def test_members_behind_each_other_are_one_body_however_it_is_cut(
    parts: list[bytes], size: int, level: int
) -> None:
    """As `cat a.gz b.gz` and parallel packers write it; what comes out is of bounded pieces."""
    body = b"".join(gzip.compress(part, level) for part in parts)
    assert await unpack(body, size) == b"".join(parts)


@hypothesis.given(part=st.binary(max_size=300), cut=st.integers(1, 400))
async def test_a_member_that_is_cut_short_is_told(part: bytes, cut: int) -> None:
    """Whatever was in it before is given."""
    body = gzip.compress(part)
    with pytest.raises(BodyError, match="cut short"):
        await unpack(body[: max(1, len(body) - cut)])


@pytest.mark.parametrize("body", [b"plain", zlib.compress(b"x"), ONE[:-8] + bytes(8), ONE + b"y" * 20])
async def test_what_is_no_gzip_is_told(body: bytes) -> None:
    """Also where its checksum is wrong, or something else follows."""
    with pytest.raises(BodyError, match="not the gzip"):
        await unpack(body)


async def test_a_bomb_is_given_up_within_bounds() -> None:
    """Bounded by what came, not by what it says it is."""
    member = zlib.compressobj(9, wbits=31)
    bomb = b"".join(member.compress(b"\n" * PIECE) for _ in range(4 * FREE // PIECE)) + member.flush()
    given = 0

    async def read() -> None:
        nonlocal given
        async for piece in unpacked(pieces(bomb, 1009)):
            given += len(piece)

    with pytest.raises(BodyError, match=f"more than {RATIO} times") as caught:
        await read()
    assert caught.value.kind is TOO_LARGE
    assert given <= FREE + PIECE


async def test_an_empty_body_is_one_of_nobody() -> None:
    """Without a member, and with an empty one."""
    assert await unpack(b"") == await unpack(gzip.compress(b"")) == b""
