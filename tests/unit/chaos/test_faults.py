"""What faults say before they strike."""

import json
from random import Random

import pytest

from shared.contracts.messages import BatchReady, BatchResult
from tests.chaos.faults import Fault, database
from tests.chaos.faults.every import FAULTS, OF_CLUSTER, faults_of
from tests.chaos.faults.fcm import script_of
from tests.chaos.faults.other_version import as_another_version
from tests.chaos.replica import Replica
from tests.chaos.stage import SHARES
from tests.rehearsals.days import DAYS

LONGEST = 30.0
FAILOVERS = [faults_of(clustered=False, replica=replica)[-1] for replica in Replica if replica is not Replica.NONE]


@pytest.mark.parametrize("fault", dict.fromkeys((*FAULTS, *OF_CLUSTER, *FAILOVERS)), ids=lambda fault: fault.kind)
def test_a_fault_is_bounded_and_says_what_it_touches(fault: Fault) -> None:
    """Whatever its draw."""
    for seed in range(20):
        aimed = fault.aim(Random(seed))
        assert aimed.touches
        assert aimed.target
        assert 0 <= aimed.lasts <= LONGEST


def test_with_a_standby_there_are_failovers_and_no_disk_that_is_full() -> None:
    """The standby could not have its tables at the same place."""
    without = faults_of(clustered=False)
    for replica, failover in zip((Replica.SYNCHRONOUS, Replica.ASYNCHRONOUS), FAILOVERS, strict=True):
        faults = faults_of(clustered=False, replica=replica)
        assert {*faults} - {*without} == {failover}
        assert {*without} - {*faults} <= {database.FULL}


@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.name)
def test_on_a_bad_day_the_same_tokens_are_dead_as_on_a_good_one(day: object) -> None:
    """And all shares together are no more than one."""
    script = script_of(day)  # type: ignore[arg-type]
    assert sum(script["shares"].values()) <= 1 + 1e-9
    assert script["shares"]["UNREGISTERED"] >= SHARES["UNREGISTERED"]


def test_another_version_says_more_and_less_and_is_understood() -> None:
    """Unknown fields are ignored, those that this version could do without are."""
    result = BatchResult(campaign_id=1, batch_no=2, epoch=3, outcomes="AR", codes={1: "X"}, samples={"X": "why"})
    said = json.loads(as_another_version(result, exclude_defaults=True))
    assert "from_another_version" in said
    assert "samples" not in said
    assert BatchResult.model_validate(said) == result.model_copy(update={"samples": {}})
    batch = BatchReady(campaign_id=1, batch_no=2, epoch=3, size=4, lane="high", project="default")
    assert BatchReady.model_validate_json(as_another_version(batch, exclude_defaults=True)) == batch
