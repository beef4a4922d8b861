"""Every transition of the ledger in any order, with crashes between any two, against a model."""

import asyncio
import os

import pytest
import uvloop
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from shared.ledger.times import Times
from tests.integration.shared.ledger.moves import SIZE, WHATEVER_FOLLOWS, Dice, Moves
from tests.integration.shared.ledger.play import FINAL, ROWS
from tests.integration.shared.ledger.stage import staged
from tests.integration.shared.ledger.watching import watch_transitions
from tests.integration.shared.ledger.world import Answer

DRAIN_ROUNDS = 30
DEEP = int(os.environ.get("CARILLON_LEDGER_PLAYS", "0"))
PARTS = 3
"""Lots of plays, each with dice of its own, which several processes can play at the same time."""

PROFILE = settings(
    max_examples=DEEP or 60 // PARTS,
    stateful_step_count=100 if DEEP else 60,
    derandomize=not DEEP,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
PATIENT = Times(ramp=0, publish=3600, lease=3600, queued=3600, retry=3600, report=3600)
"""Time passes in a play only when a move says so: the same dice must make the same play on the slowest machine."""
DICE = st.builds(
    Dice,
    pick=st.integers(0, 5),
    count=st.integers(1, 4),
    answers=st.lists(st.sampled_from(Answer), max_size=SIZE).map(tuple),
    heads=st.booleans(),
    tails=st.booleans(),
)


def _possible(play: "WholePlay") -> st.SearchStrategy[str]:
    return st.sampled_from([move.__name__ for move, weight in play.moves().items() for _ in range(weight)])


class WholePlay(Moves):
    """A play from its first move to its end."""

    @initialize(devices=st.sampled_from((4, 5, 6, 3, 2, 1, 0)), max_attempts=st.integers(1, 3), dice=DICE)
    def start(self, devices: int, max_attempts: int, dice: Dice) -> None:
        """Send a campaign to a handful of devices; its first step is done."""
        self.run(self.stage.run("delete from campaign"))
        self.run(self.stage.run("delete from device"))
        self.devices = self.run(self.stage.devices(devices))
        self.id = self.run(self.stage.sending(delivery=self.delivery, max_attempts=max_attempts))
        self.plan(dice)

    @rule(move=st.runner().flatmap(_possible), dice=DICE)
    def make(self, move: str, dice: Dice) -> None:
        """Make any move that is possible."""
        getattr(self, move)(dice)

    def teardown(self) -> None:
        """Let everybody work again: the campaign ends, balanced, with one final event, whatever happened."""
        if self.id == 0:
            return
        for _ in range(DRAIN_ROUNDS):
            self.the_ledger_is_true()
            if self.status in FINAL:
                break
            self.drain()
        self.drain()
        self.the_ledger_is_true()
        campaign = self.run(self.stage.campaign(self.id))
        assert campaign.status in FINAL
        assert campaign.pending == 0
        audience = campaign.total + campaign.not_planned
        assert len(self.devices) - len(self.uninstalled) <= audience <= len(self.devices)

    def drain(self) -> None:
        """Bring every message and every batch a step on, with nobody failing any more."""
        self.run(self.stage.age(self.id))
        for row in self.run(self.stage.all(ROWS, id=self.id)):
            self.lose_lease(row)
        self.broker.results += self.run(self.stage.sweep()).results
        sure = Dice()
        if self.status == "paused":
            self.resume(sure)
        elif self.status == "cancelling":
            self.close(sure)
        elif self.status == "sending":
            self.plan(sure)
        self.the_ledger_is_true()
        self.publish(sure)
        self.return_from_rungs(sure)
        for sender in filter(None, list(self.senders)):
            for position in sender.to_send:
                sender.request(position, Answer.ACCEPTED, self.fcm)
            self.advance(sender, WHATEVER_FOLLOWS)
        while self.broker.lane:
            self.serve(sure)
        while self.broker.results:
            self.merge(sure)


@pytest.mark.timeout(120 + DEEP * 5)
@pytest.mark.parametrize("part", range(1 if DEEP else PARTS))
@pytest.mark.parametrize("delivery", ["at_least_once", "at_most_once"])
def test_no_interleaving_loses_a_device_or_makes_a_letter_false(database_url: str, delivery: str, part: int) -> None:
    """The same plays on every run; CARILLON_LEDGER_PLAYS=5000 plays that many new and longer ones."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        opened = staged(database_url)
        stage = runner.run(opened.__aenter__())
        stage.times = PATIENT
        runner.run(watch_transitions(stage))
        cast = {"runner": runner, "stage": stage, "delivery": delivery}
        try:
            play = type("LedgerPlay", (WholePlay,), cast)
            run_state_machine_as_test(play if DEEP else seed(part)(play), settings=PROFILE)
        finally:
            runner.run(opened.__aexit__(None, None, None))
