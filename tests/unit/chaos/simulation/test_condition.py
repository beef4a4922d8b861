"""A PostgreSQL in memory that is not well."""

from itertools import pairwise
from random import Random

import pytest

from shared.errors import DatabaseUnavailableError
from tests.chaos.simulation.boundary import at_once
from tests.chaos.simulation.condition import ON_CONNECTING, ON_STATEMENTS, Condition, Spell, State, draw_spells, refusal
from tests.chaos.simulation.ledger import Ledger


class Patient:
    """A ledger that is in a state from second 10 to 20, with a campaign to send."""

    def __init__(self, state: State, seed: int = 1) -> None:
        self.now = 0.0
        self.happened: list[tuple[str, str]] = []
        self.ledger = Ledger(lambda: self.now)
        self.ledger.devices(3)
        self.campaign = self.ledger.draft()
        self.condition = Condition(
            [Spell(10.0, 20.0, state, 1.0)], Random(seed), lambda: self.now, lambda *what: self.happened.append(what)
        )
        self.ledger.database.condition = self.condition

    @property
    def status(self) -> str:
        """The campaign's."""
        return self.ledger.tables.campaigns[self.campaign].status

    def send(self) -> None:
        """Send it."""
        at_once(self.ledger.send(self.campaign))


@pytest.mark.parametrize("state", [State.REFUSING, State.READ_ONLY, State.STATEMENTS])
def test_what_is_refused_is_not_done_and_what_comes_later_is(state: State) -> None:
    """Services are told as `shared.db` tells them."""
    patient = Patient(state)
    patient.now = 15.0
    with pytest.raises(DatabaseUnavailableError):
        patient.send()
    assert patient.status == "draft"
    assert {kind for kind, _ in patient.happened} == {state.value}
    patient.now = 25.0
    patient.send()
    assert patient.status == "sending"


def test_a_commit_without_an_answer_was_made_or_was_not() -> None:
    """And nobody is told which."""
    found = set()
    for seed in range(20):
        patient = Patient(State.COMMITS, seed)
        patient.now = 15.0
        with pytest.raises(DatabaseUnavailableError):
            patient.send()
        found.add(patient.status)
    assert found == {"draft", "sending"}


def test_a_read_only_database_is_read() -> None:
    """Only what writes, or locks in order to write, is refused."""
    patient = Patient(State.READ_ONLY)
    patient.now = 15.0
    patient.condition.say("select 1 from campaign where status = 'sending'")
    with pytest.raises(Exception, match="25006"):
        patient.condition.say("select 1 from campaign for no key update")


def test_nothing_is_refused_when_it_is_over() -> None:
    """Whatever the spell says."""
    patient = Patient(State.REFUSING)
    patient.now, patient.condition.over = 15.0, True
    patient.send()
    assert patient.status == "sending"


@pytest.mark.parametrize("code", [*filter(None, ON_CONNECTING), *ON_STATEMENTS])
def test_what_is_said_is_not_about_data(code: str) -> None:
    """It has its state where `shared.sqlstates` looks for it, and is of a class that no message can bring about."""
    error = refusal(code)
    assert error.orig is not None
    assert getattr(error.orig.__cause__, "sqlstate", None) == code
    assert not code.startswith(("22", "23"))


def test_spells_come_one_after_another() -> None:
    """None overlaps the next, and none outlives the foul weather."""
    for seed in range(50):
        spells = draw_spells(Random(seed), 60.0)
        assert all(one.begins < one.ends <= 60.0 for one in spells)
        assert all(one.ends < other.begins for one, other in pairwise(spells))
