"""A thousand schedules of crashes, stalls, lost messages and wiped queues under the services' own code."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from multiprocessing.pool import Pool
from random import Random

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
    "database refuses connections",
    "database read-only",
    "database refuses statements",
    "database loses commits",
}
"""Faults that so many schedules must have seen."""
PLAYS = 12
"""How often a schedule is played when all plays must be the same."""


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


def histories_amid_litter(seeds: Sequence[int], litter: int) -> list[tuple[str, ...]]:
    """What happens in some schedules one after another, with objects of all sizes left lying around between them."""
    rng, left, told = Random(litter), [], []
    for seed in seeds:
        left += [bytearray(rng.choice((8, 24, 40, 56, 88, 120, 200, 300))) for _ in range(rng.randrange(3000))]
        rng.shuffle(left)
        del left[len(left) // 2 :]
        told.append(tuple(run(seed, history=True).history))
    return told


def test_a_seed_plays_the_same_schedule_whatever_was_played_before_it(elsewhere: Pool) -> None:
    """Answers that come together with a break, loops that die at once: where objects lie decides nothing."""
    seeds = (29922, 30151, 30378) * PLAYS
    told = {*zip(seeds, elsewhere.apply(histories_amid_litter, (seeds, 1)), strict=True)}
    assert len(told) == 3


def test_a_seed_plays_the_same_schedule_in_every_process() -> None:
    """Whatever Python's hashes are, and where its objects lie; one of these schedules tells sets of platforms."""
    told = {
        subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.chaos.simulation",
                "--seed",
                "60604",
                "--schedules",
                "5",
                "--workers",
                "1",
                "--history",
                "--json",
            ],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout.partition('"seconds"')[0]
        for hash_seed in ("1", "2", "3")
    }
    assert len(told) == 1
