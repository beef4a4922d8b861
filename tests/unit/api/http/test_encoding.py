"""Encodings of bodies."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.http.encoding import BodyError, as_utf8, not_utf8


async def read(body: bytes, size: int = 7) -> bytes:
    """A body as UTF-8, which comes in pieces."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    return b"".join([piece async for piece in as_utf8(pieces())])


@given(
    text=st.text().filter(lambda text: text[:1] != "\0"), size=st.integers(1, 9), order=st.sampled_from(["le", "be"])
)
async def test_utf_16_with_its_mark_is_read_however_it_is_cut(text: str, size: int, order: str) -> None:
    """Also between two bytes of a letter."""
    assert await read(f"\ufeff{text}".encode(f"utf-16-{order}"), size) == text.encode()


@given(body=st.binary(min_size=1), size=st.integers(1, 9))
async def test_what_is_not_known_by_its_beginning_is_left_as_it_is(body: bytes, size: int) -> None:
    """Line by line it is told what is no UTF-8."""
    body = b"user" + body
    assert await read(body, size) == body


@pytest.mark.parametrize("body", [b"", b"a", b"{}", b"\xef\xbb\xbf"])
async def test_a_body_may_be_shorter_than_any_mark(body: bytes) -> None:
    """An export of nobody is no error."""
    assert await read(body, 1) == body


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("user_id".encode("utf-16-le"), "UTF-16 without a byte order mark"),
        ("user_id".encode("utf-16-be"), "UTF-16 without a byte order mark"),
        ("user_id".encode("utf-32"), "UTF-32"),
        (b"\x1f\x8b\x08\x00", "Content-Encoding: gzip"),
        (b"PK\x03\x04\x14\x00", ".xlsx"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", ".xls"),
        (b"PAR1\x15\x04", "Parquet"),
        ("\ufeffab".encode("utf-16-le") + b"c", "does not go on so"),
        (b"\xff\xfea\x00\x00\xd8b\x00", "does not go on so"),
    ],
)
async def test_what_is_no_text_is_refused_by_its_name(body: bytes, said: str) -> None:
    """With what to do."""
    with pytest.raises(BodyError) as caught:
        await read(body)
    assert said in caught.value.said


def test_a_line_of_cp949_is_told_as_such() -> None:
    """It is what Excel saves as plain CSV in Korea; what might be anything is not called so."""
    assert "CP949" in not_utf8("김민수,ios,tok".encode("cp949"))
    assert "CP949" not in not_utf8("café".encode("latin-1"))
    assert "CP949" not in not_utf8("日本語".encode("shift_jis"))
