"""What is left in the broker."""

import pytest

from tests.chaos.checker.broker import dead_letters, empty
from tests.chaos.checker.state import DeadLetter, State
from tests.unit.chaos.checker.healthy import healthy

BROKEN = (100.0, "sender.low", b"nonsense")
BURIED = DeadLetter("sender.low", "not JSON", b"nonsense")


@pytest.mark.parametrize("depth", [(1, 0), (0, 1)])
def test_a_message_that_is_left_is_found(depth: tuple[int, int]) -> None:
    """Ready or unacked."""
    state = healthy(queues={"sender.high": depth, "dead": (5, 0)})
    assert empty(state) == [f"queue sender.high holds {depth[0]} messages, and {depth[1]} are unacked"]


def test_a_queue_that_is_gone_is_found() -> None:
    """Nobody has put it back."""
    assert empty(healthy(queues={"sender.high": None})) == ["queue sender.high is not there"]


def test_an_outbox_that_nobody_empties_is_found() -> None:
    """Its events would never be told."""
    assert empty(healthy(outbox=2)) == ["the outbox holds 2 messages that nobody publishes"]


def test_broken_messages_are_the_dead_letters() -> None:
    """Once each, or again when the first ack was lost."""
    assert dead_letters(healthy(injected=[BROKEN], dead_letters=[BURIED])) == []
    assert dead_letters(healthy(injected=[BROKEN], dead_letters=[BURIED, BURIED])) == []


def test_a_dead_letter_that_nobody_put_in_is_found() -> None:
    """With its queue, its reason and its body."""
    found = dead_letters(healthy(dead_letters=[BURIED]))
    assert found == ["1 dead letters are none of the 0 broken messages: sender.low: not JSON: b'nonsense'"]


def test_a_broken_message_whose_confirm_was_lost_may_be_a_dead_letter_or_not() -> None:
    """The broker may have taken it."""
    offered = {("sender.low", b"nonsense")}
    assert dead_letters(healthy(offered=offered, dead_letters=[BURIED])) == []
    assert dead_letters(healthy(offered=offered)) == []


def test_a_broken_message_that_vanished_is_found() -> None:
    """Somebody has acked it and told nobody."""
    assert "1 of 1 broken messages are not among the dead" in dead_letters(healthy(injected=[BROKEN]))[0]


@pytest.mark.parametrize(
    ("emptied", "explained"),
    [((101.0, "sender.low"), True), ((101.0, "sender.retry.10s"), True), ((99.0, "sender.low"), False)],
)
def test_a_broken_message_may_go_with_its_queue(emptied: tuple[float, str], explained: bool) -> None:
    """Or with the rung on its way there, but not before it came."""
    state: State = healthy(injected=[BROKEN], emptied=[emptied])
    assert (dead_letters(state) == []) is explained
