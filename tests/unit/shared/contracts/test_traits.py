"""What is known of a device."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.contracts.traits import (
    MAX_ATTRIBUTE_BYTES,
    AppVersion,
    Attributes,
    Locale,
    TimeZone,
    version_order,
)

ATTRIBUTES = TypeAdapter(Attributes)
IN_ORDER = (
    "0.9",
    "1",
    "1.0.1-alpha",
    "1.0.1-alpha.1",
    "1.0.1-alpha.beta",
    "1.0.1-beta",
    "1.0.1-beta.2",
    "1.0.1-beta.11",
    "1.0.1-rc.1",
    "1.0.1",
    "1.2",
    "1.9.3",
    "1.10",
    "1.10.0.1",
    "2.0.0",
    "20261122",
)


def test_versions_compare_as_people_mean_it() -> None:
    """Numbers as numbers, and what comes before a release before it, as semantic versions say."""
    orders = [version_order(version) for version in IN_ORDER]
    assert None not in orders
    assert orders == sorted(orders, key=lambda order: order or b"")
    assert len(set(orders)) == len(orders)


@pytest.mark.parametrize(
    ("one", "other"), [("1.2", "1.2.0.0"), ("v3", "3.0"), ("1.2.3+build.7", "1.2.3"), ("1.2.3 (456)", "1.2.3")]
)
def test_versions_that_mean_the_same_are_equal(one: str, other: str) -> None:
    """However they are written."""
    assert version_order(one) == version_order(other) is not None


@pytest.mark.parametrize("version", ["", "dev", "1.2.3.4.5", "1..2", "1.2b3", "-1", "1234567890"])
def test_what_is_no_version_has_no_order(version: str) -> None:
    """It is kept all the same, and met by no comparison."""
    assert version_order(version) is None


numbers = st.lists(st.integers(0, 999_999_999), min_size=1, max_size=4)


@given(one=numbers, other=numbers)
def test_the_order_of_bytes_is_the_order_of_numbers(one: list[int], other: list[int]) -> None:
    """With missing numbers as zeros."""
    orders = [version_order(".".join(map(str, version))) or b"" for version in (one, other)]
    padded = [version + [0] * (4 - len(version)) for version in (one, other)]
    assert (orders[0] < orders[1]) == (padded[0] < padded[1])
    assert (orders[0] == orders[1]) == (padded[0] == padded[1])


@pytest.mark.parametrize(
    ("given_as", "kept_as"), [("ko_kr", "ko-KR"), ("EN", "en"), ("zh-hant-tw", "zh-Hant-TW"), ("sl-rozaj", "sl-rozaj")]
)
def test_locales_are_kept_in_one_form(given_as: str, kept_as: str) -> None:
    """Android and iOS write them differently."""
    assert TypeAdapter(Locale).validate_python(given_as) == kept_as


@pytest.mark.parametrize("bad", ["", "k", "ko-", "ko KR", "한국어", "x" * 36])
def test_what_is_no_locale_is_refused(bad: str) -> None:
    """With an example of one."""
    with pytest.raises(ValidationError):
        TypeAdapter(Locale).validate_python(bad)


def test_time_zones_are_those_of_iana() -> None:
    """An offset is none."""
    assert TypeAdapter(TimeZone).validate_python("Asia/Seoul") == "Asia/Seoul"
    for bad in ("KST+9", "Asia/Seol", ""):
        with pytest.raises(ValidationError, match="Asia/Seoul"):
            TypeAdapter(TimeZone).validate_python(bad)


@pytest.mark.parametrize("bad", ["", "x" * 65, "1.0\n", "버전"])
def test_a_version_is_short_and_ascii(bad: str) -> None:
    """It is compared and shown."""
    with pytest.raises(ValidationError):
        TypeAdapter(AppVersion).validate_python(bad)


def test_attributes_are_texts_numbers_booleans_and_lists_of_texts() -> None:
    """As they were given, also booleans beside numbers."""
    given_as = {"plan": "pro", "score": 7, "share": 0.5, "beta": True, "topics": ["sale", "뉴스 🎉"], "_x.y-z": ""}
    assert ATTRIBUTES.validate_json(json.dumps(given_as)) == given_as
    assert ATTRIBUTES.validate_python(given_as)["beta"] is True
    assert ATTRIBUTES.validate_python({"plan": None}) == {"plan": None}


@pytest.mark.parametrize(
    "bad",
    [
        {"a b": 1},
        {"": 1},
        {"1a": 1},
        {"x" * 65: 1},
        {"a": {"b": 1}},
        {"a": [1]},
        {"a": [["b"]]},
        {"a": "x" * 257},
        {"a": "x\0"},
        {"a": "\ud800"},
        {"a": ["x"] * 51},
        {"a": 2**53 + 1},
        {"a": float("inf")},
        {f"a{n}": 1 for n in range(33)},
        {f"a{n}": "x" * 250 for n in range(9)},
        [],
        "a",
    ],
)
def test_what_the_index_or_a_reader_could_not_take_is_refused(bad: object) -> None:
    """Before anything is stored."""
    with pytest.raises(ValidationError):
        ATTRIBUTES.validate_python(bad)


def test_attributes_are_bounded_as_bytes() -> None:
    """Korean text counts three for each letter."""
    fits = {"a": "가" * 256, "b": "가" * 256, "c": "가" * 150}
    assert len(json.dumps(fits, ensure_ascii=False).encode()) <= MAX_ATTRIBUTE_BYTES
    assert ATTRIBUTES.validate_python(fits) == fits
    with pytest.raises(ValidationError, match="2048 bytes"):
        ATTRIBUTES.validate_python({**fits, "d": "가" * 100})
