"""Filters as SQL."""

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.ledger.segments import Terms, compile_filter
from tests.unit.shared.contracts.test_segments import FULL

names = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_.-]{0,20}\Z")
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


def test_every_condition_becomes_parameters() -> None:
    """No value of the filter is in the text."""
    terms = Terms()
    sql = compile_filter(FULL, terms)
    assert set(re.findall(r":(term_\d+)", sql)) == terms.values.keys()
    for said in ("android", "3.2", "Seoul", "Asia", "plan", "score", "sale", "2026"):
        assert said not in sql


@given(name=names, text=texts)
def test_nothing_that_a_caller_says_is_in_the_text(name: str, text: str) -> None:
    """Whatever it says: the text is the same for all."""
    filter_: dict[str, Any] = {
        "all": [
            {"attribute": name, "eq": text},
            {"attribute": name, "in": [text, 1]},
            {"attribute": name, "contains": text, "exists": False},
        ]
    }
    plain = {
        "all": [
            {"attribute": "a", "eq": "b"},
            {"attribute": "a", "in": ["b", 1]},
            {"attribute": "a", "contains": "b", "exists": False},
        ]
    }
    assert compile_filter(filter_, Terms()) == compile_filter(plain, Terms())


def test_conditions_of_several_filters_share_one_statement() -> None:
    """Each has parameters of its own."""
    terms = Terms()
    one = compile_filter({"attribute": "a", "eq": 1}, terms)
    other = compile_filter({"attribute": "b", "eq": 2}, terms)
    assert one != other
    assert list(terms.values.values()) == ['{"a": 1}', '{"b": 2}']
