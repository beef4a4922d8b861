"""Faults by seed."""

from collections import Counter
from itertools import pairwise

from tests.chaos.faults.every import FAULTS
from tests.chaos.schedule import GAP, deal


def test_a_seed_always_deals_the_same() -> None:
    """Kinds, times and targets."""
    first, second = deal(7, 180, FAULTS), deal(7, 180, FAULTS)
    told = [[(one.at, one.fault.kind, one.aimed.target, one.aimed.lasts) for one in dealt] for dealt in (first, second)]
    assert told[0] == told[1]
    assert [one.fault.kind for one in deal(8, 180, FAULTS)] != [one.fault.kind for one in first]


def test_no_kind_comes_twice_before_each_came_once() -> None:
    """Three minutes meet nearly all of them, ten every one."""
    kinds = Counter(strike.fault.kind for strike in deal(1, 600, FAULTS))
    assert kinds.keys() == {fault.kind for fault in FAULTS}
    assert max(kinds.values()) - min(kinds.values()) <= 1


def test_faults_come_in_time_and_before_the_end() -> None:
    """One a few seconds after the other."""
    dealt = deal(3, 60, FAULTS)
    gaps = [later.at - earlier.at for earlier, later in pairwise(dealt)]
    assert all(GAP[0] <= gap <= GAP[1] for gap in gaps)
    assert dealt[-1].at < 59
