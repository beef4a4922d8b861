"""When a node is asked for a sign of life, and what its answer means."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.amqp.hosts import Host
from shared.amqp.node_health import AGAIN, QUIET, Answer, Finding, Signs, diagnose, suspicious
from shared.amqp.nodes import Address

OTHERS = [Address(Host(f"h{number}", 5672), f"10.0.0.{number}") for number in (2, 3)]
answers = st.sampled_from(Answer)
elsewhere = st.dictionaries(st.sampled_from(OTHERS), answers)
seconds = st.floats(0, 1000)


@given(here=answers, others=elsewhere)
def test_a_node_is_left_only_for_one_that_serves_what_is_silent_here(
    here: Answer, others: dict[Address, Answer]
) -> None:
    """And a queue has lost its leader only if every node that is known says so."""
    finding = diagnose(here, others)
    assert (finding is Finding.CUT_OFF) == (here is Answer.SILENT and Answer.SERVES in others.values())
    if finding is Finding.LEADERLESS:
        assert here is Answer.SILENT
        assert set(others.values()) == {Answer.SILENT}


@pytest.mark.parametrize(
    "others", [{}, {OTHERS[0]: Answer.UNKNOWN}, {OTHERS[0]: Answer.SILENT, OTHERS[1]: Answer.UNKNOWN}]
)
def test_without_the_word_of_every_other_node_both_are_possible(others: dict[Address, Answer]) -> None:
    """A lost leader and a lost majority look the same from one node."""
    assert diagnose(Answer.SILENT, others) is Finding.ALONE


@given(quiet=seconds, served=seconds, unconfirmed=seconds, room=st.booleans())
def test_who_is_full_and_confirmed_asks_nobody(quiet: float, served: float, unconfirmed: float, room: bool) -> None:
    """A message would come to whoever asks, and go back with a delivery on its count."""
    if suspicious(Signs(quiet=quiet, served=served, unconfirmed=unconfirmed, room=room)):
        assert room or unconfirmed >= QUIET
        assert quiet >= QUIET or unconfirmed >= QUIET


def test_publishes_that_stay_unconfirmed_at_a_node_that_serves_are_asked_about_now_and_then() -> None:
    """It is another queue that has lost its leader: each question may take a message round."""
    assert suspicious(Signs(quiet=0, served=math.inf, unconfirmed=QUIET))
    assert suspicious(Signs(quiet=0, served=QUIET + 1, unconfirmed=QUIET))
    assert not suspicious(Signs(quiet=0, served=1, unconfirmed=QUIET + 1))
    assert suspicious(Signs(quiet=0, served=AGAIN, unconfirmed=AGAIN * 3))


@given(st.lists(st.sampled_from(["confirm", "deliver", "silence"]), max_size=100), st.booleans())
def test_a_node_that_says_nothing_is_asked_within_seconds_of_its_last_word(words: list[str], room: bool) -> None:
    """Second by second, with a consumer that has room or a publish that waits: never later than `QUIET`."""
    quiet = waits = 0.0
    for word in words:
        quiet, waits = (quiet + 1, waits + 1) if word == "silence" else (0.0, 0.0)
        signs = Signs(quiet=quiet, served=math.inf, unconfirmed=0.0 if room else waits, room=room)
        assert suspicious(signs) == (quiet >= QUIET)
