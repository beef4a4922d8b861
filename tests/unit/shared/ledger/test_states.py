"""The table of transitions: whole, said in one place, and what the page and the API say too."""

from typing import get_args

import pytest

from services.api.campaigns.schemas import Status
from services.api.campaigns.states import POSSIBLE
from shared.ledger.states import (
    BATCH,
    BATCH_STATES,
    CAMPAIGN,
    CAMPAIGN_STATES,
    CLAIM,
    CLOSE,
    ENDED,
    FAILED,
    FINISHED,
    GIVE_BACK,
    GIVE_UP,
    LOSE,
    MERGE,
    MERGE_EARLY,
    NOWHERE,
    PAUSE,
    SEND,
    SWEEP,
    Transition,
)
from tests.support.states_page import PAGE, as_markdown, diagram, edges

BOTH = [(CAMPAIGN, CAMPAIGN_STATES), (BATCH, BATCH_STATES)]


def test_the_page_is_current() -> None:
    """Write it anew with `python -m tests.support.states_page`."""
    assert PAGE.read_text() == as_markdown()


def test_a_transition_says_its_states_as_sql() -> None:
    """As the statements take them."""
    assert f"set status = {SEND.to} where status {SEND.at}" == (
        "set status = 'sending' where status in ('draft', 'scheduled')"
    )
    assert PAUSE.at == "= 'sending'"


@pytest.mark.parametrize(("transitions", "states"), BOTH)
def test_every_state_is_reached_from_the_first(transitions: tuple[Transition, ...], states: tuple[str, ...]) -> None:
    """But `failed`, which the schema knows and nothing leads to."""
    reached, before = {NOWHERE}, set[str]()
    while reached != before:
        before = set(reached)
        reached |= {target for source, target in edges(transitions) if source in before}
    assert reached == {NOWHERE, *states} - {FAILED}


@pytest.mark.parametrize(("transitions", "ends"), [(CAMPAIGN, ENDED), (BATCH, {FINISHED})])
def test_nothing_leaves_an_end(transitions: tuple[Transition, ...], ends: frozenset[str]) -> None:
    """A final event, and a finished row, stay true."""
    assert not [source for source, _ in edges(transitions) if source in ends]


def test_statements_that_serve_two_transitions_mean_the_same_states() -> None:
    """One finds what is claimed or given back, one brings back what was lost, one ends what is open."""
    assert CLAIM.sources == GIVE_BACK.sources
    assert SWEEP.target == LOSE.target
    assert CLOSE.target == GIVE_UP.target
    assert {*MERGE.sources, *MERGE_EARLY.sources} == set(BATCH_STATES) - {FINISHED}


def test_the_api_offers_what_the_ledger_allows() -> None:
    """A verb that is a transition is possible in just its states."""
    verbs = {verb for possible in POSSIBLE.values() for verb in possible} & {it.name for it in CAMPAIGN}
    assert verbs == {"schedule", "unschedule", "delete", "send", "pause", "resume", "cancel"}
    for verb in verbs:
        offered = {state for state, possible in POSSIBLE.items() if verb in possible}
        assert offered == {source for it in CAMPAIGN if it.name == verb for source in it.sources}, verb


def test_the_api_documents_every_state() -> None:
    """In OpenAPI, as the values of `status`."""
    assert get_args(Status) == CAMPAIGN_STATES


def test_a_diagram_joins_what_leads_the_same_way() -> None:
    """One arrow with both names; what ends, ends in `[*]`."""
    lines = list(diagram([Transition("a", ("x",), "y", ""), Transition("b", ("x", "w"), "y", "")]))
    assert lines == ["```mermaid", "stateDiagram-v2", "    x --> y: a, b", "    w --> y: b", "    y --> [*]", "```"]
