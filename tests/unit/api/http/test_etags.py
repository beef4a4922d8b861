"""ETag and If-Match."""

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from services.api.http.etags import check_if_match, etag, matches
from services.api.http.problems import ProblemError


def request(*values: str) -> Request:
    """A request with these If-Match headers."""
    headers = [(b"if-match", value.encode("latin-1")) for value in values]
    return Request({"type": "http", "headers": headers})


@given(st.lists(st.none() | st.integers() | st.text()))
def test_a_tag_tells_versions_apart_and_is_stable(version: list[object]) -> None:
    """And is a valid strong entity tag."""
    tag = etag(*version)
    assert tag == etag(*version)
    assert tag != etag(*version, "more")
    assert tag[0] == tag[-1] == '"'
    assert matches(tag, tag)


@pytest.mark.parametrize(
    ("given_tags", "fits"),
    [('"a"', True), ('"x", "a"', True), ("*", True), ('W/"a"', False), ('"b"', False), ("a", False), (" * ", True)],
)
def test_only_a_strong_tag_of_the_current_version_matches(given_tags: str, fits: bool) -> None:
    """RFC 9110: If-Match compares strongly."""
    assert matches(given_tags, '"a"') is fits


def test_an_update_of_another_version_is_refused_with_the_current_one() -> None:
    """412, and nothing may be written."""
    with pytest.raises(ProblemError) as caught:
        check_if_match(request('"old"'), '"new"')
    assert (caught.value.kind.status, caught.value.more) == (412, {"etag": '"new"'})


def test_an_update_of_no_named_version_is_refused_where_one_is_needed() -> None:
    """428 there, and nothing elsewhere."""
    with pytest.raises(ProblemError) as caught:
        check_if_match(request(), '"new"')
    assert caught.value.kind.status == 428
    check_if_match(request(), '"new"', required=False)


def test_several_if_match_headers_are_one_list() -> None:
    """As any header."""
    check_if_match(request('"old"', '"new"'), '"new"')
