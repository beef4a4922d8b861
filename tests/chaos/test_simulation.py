"""A thousand schedules of crashes, stalls, lost messages and wiped queues under the services' own code."""

import os
import subprocess
import sys
from collections import Counter
from multiprocessing.pool import Pool

import pytest

from tests.chaos.simulation.__main__ import play_all
from tests.chaos.simulation.schedule import run

SCHEDULES = 1000
KINDS = {
    "crash before",
    "crash after",
    "stall before",
    "stall after",
    "fail before",
    "fail after",
    "message twice",
    "message late",
    "message ahead",
    "queue wiped",
    "connection cut",
    "broker restarted",
    "sigterm",
}
"""Faults that so many schedules must have seen."""


@pytest.mark.timeout(600)
def test_every_check_holds_in_a_thousand_schedules() -> None:
    """And the schedules were not idle: every kind of fault has struck, campaigns were cancelled, messages repeated."""
    faults: Counter[str] = Counter()
    campaigns: Counter[str] = Counter()
    repeats = 0
    wrong: list[str] = []
    for outcome in play_all(range(1, SCHEDULES + 1), workers=os.cpu_count() or 1):
        faults.update(outcome.faults)
        campaigns.update(outcome.campaigns)
        repeats += outcome.repeats
        wrong += [f"seed {outcome.seed}: {failure}" for failure in outcome.failures]
    assert not wrong, "\n".join(wrong[:20])
    assert faults.keys() >= KINDS
    assert campaigns.keys() == {"completed", "cancelled"}
    assert repeats > 0


@pytest.mark.parametrize("seed", [3, 79, 187])
def test_a_seed_plays_the_same_schedule_every_time(seed: int, elsewhere: Pool) -> None:
    """Line by line."""
    once, again = (elsewhere.apply(run, (seed,), {"history": True}) for _ in range(2))
    assert once.history == again.history


def test_a_seed_plays_the_same_schedule_in_every_process() -> None:
    """Whatever Python's hashes are, and where its objects lie."""
    told = {
        subprocess.run(
            [sys.executable, "-m", "tests.chaos.simulation", "--seed", "11", "--schedules", "1", "--history", "--json"],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout.partition('"seconds"')[0]
        for hash_seed in ("1", "2")
    }
    assert len(told) == 1
