"""The primary of PostgreSQL is lost in mid-campaign, and its synchronous standby takes its place."""

import os

import pytest

from deploy.local.errors import NoBrokerError
from tests.chaos.alone import alone, chosen
from tests.chaos.checker import CHECKS, check
from tests.chaos.checker.gathering import gather
from tests.chaos.faults.every import faults_of
from tests.chaos.replica import Replica
from tests.chaos.stage import fresh_stage

DEVICES = 3000


@pytest.mark.timeout(300)
async def test_a_failover_to_a_synchronous_standby_costs_nothing() -> None:
    """No repeat, no lease, no process, no dead letter: every commit that was answered is there."""
    ((fault, aimed),) = chosen(
        faults_of(clustered=False, replica=Replica.SYNCHRONOUS), "PostgreSQL failover", 1, lasts=2.0
    )
    try:
        async with fresh_stage(times={}, replica=Replica.SYNCHRONOUS) as stage:
            async with alone(stage, print, devices=DEVICES) as one:
                assert await one.strike(fault, aimed) == []
            state = await gather(stage, one.play.witnesses, one.play.began_at, one.play.disturbances())
            one.read(state)
            assert [cost.wrong for cost in one.costs] == [[]]
            assert check(state) == {name: [] for name in CHECKS}
    except NoBrokerError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
