"""Cursors."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.http.cursor import Cursor, decode_cursor, encode_cursor
from services.api.http.problems import INVALID, ProblemError


@given(st.integers(1, 2**63 - 1))
def test_a_cursor_that_was_given_out_is_read_back(before: int) -> None:
    """And needs no escaping in a URL."""
    text = encode_cursor(Cursor(before))
    assert decode_cursor(text) == Cursor(before)
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(st.text(max_size=64))
def test_any_other_text_is_read_or_refused_as_a_problem(text: str) -> None:
    """Nothing else escapes."""
    with contextlib.suppress(ProblemError):
        assert decode_cursor(text).before > 0


@pytest.mark.parametrize("text", ["", "abc", "YjA", "Yi0x", "Yjk5OTk5OTk5OTk5OTk5OTk5OTk5OQ", "é"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    """Zero, negative and too large ids are none."""
    with pytest.raises(ProblemError) as caught:
        decode_cursor(text)
    assert caught.value.kind is INVALID
