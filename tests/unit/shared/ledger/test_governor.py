"""Quota, throttle and circuit together, through the real `take_turn` on a virtual clock."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.ledger import projects
from shared.ledger.circuit import LONGEST
from shared.ledger.projects import BOOKED, Wait
from shared.ledger.quota import TOLERANCE
from shared.ledger.throttle import CUT, RAMP_FLOOR, RECOVERY
from shared.ledger.times import Times
from shared.topology import Lane
from tests.unit.shared.ledger.virtual_project import NO_RAMP, VirtualProject, saturate


@pytest.mark.parametrize("quota", [200.0, 2_000.0, 10_000.0])
async def test_under_saturation_the_quota_is_spent_to_the_full_and_each_lane_has_its_share(quota: float) -> None:
    """High first, normal and low at their floors, and no second over the quota."""
    flow = await saturate(VirtualProject(quota), 120)
    total = flow.sent.total()
    assert total / 120 == pytest.approx(quota * BOOKED, rel=0.03)
    assert flow.most_in(1.0) <= quota
    assert flow.sent[Lane.HIGH] > 0.65 * total
    assert flow.sent[Lane.NORMAL] == pytest.approx(0.2 * total, rel=0.1)
    assert flow.sent[Lane.LOW] > 0.05 * total


@pytest.mark.parametrize("lane", list(Lane))
async def test_a_lane_alone_gets_everything(lane: Lane) -> None:
    """Shares are floors, not ceilings."""
    flow = await saturate(VirtualProject(10_000.0), 60, lanes=[lane])
    assert flow.sent[lane] / 60 == pytest.approx(10_000 * BOOKED, rel=0.03)


async def test_high_waits_no_longer_than_its_tolerance_however_full_the_others_are() -> None:
    """From the booking to the start."""
    flow = await saturate(VirtualProject(2_000.0), 60)
    assert max(flow.waits[Lane.HIGH]) <= TOLERANCE[Lane.HIGH] + 500 / 2_000


async def test_a_429_pauses_cuts_and_is_forgotten_after_its_recovery() -> None:
    """Nothing starts during the pause, then seven tenths of the rate, then a little more each second."""
    project = VirtualProject(10_000.0)
    await saturate(project, 10)
    await projects.on_quota_exceeded(project, "p", wait=5.0, times=NO_RAMP)
    pause_ends = project.row["paused_until"]
    flow = await saturate(project, 10)
    assert min(start for start, _, _ in flow.bookings) >= pause_ends
    first = flow.bookings[0]
    assert first[2] / first[1] == pytest.approx(10_000 * BOOKED * CUT, rel=0.05)
    await saturate(project, RECOVERY)
    flow = await saturate(project, 10)
    assert flow.sent.total() / 10 == pytest.approx(10_000 * BOOKED, rel=0.06)


async def test_thirty_minutes_of_outage_cost_a_dozen_probes_and_everything_flows_at_once_after() -> None:
    """15 s apart at first, 4 min at the most; no message but the probes, no ramp and no pent-up burst after."""
    project, probes = VirtualProject(10_000.0), 0
    await projects.open_circuit(project, "p", "503", probe=False, times=NO_RAMP)
    for _ in range(1800):
        flow = await saturate(project, 1.0, workers=2)
        assert not flow.sent
        for _ in flow.probes:
            await projects.open_circuit(project, "p", "503", probe=True, times=NO_RAMP)
        probes += len(flow.probes)
    assert 1800 / (NO_RAMP.probe * LONGEST) <= probes <= 12
    assert await projects.close_circuit(project, "p")
    flow = await saturate(project, 10)
    assert flow.sent.total() / 10 == pytest.approx(10_000 * BOOKED, rel=0.1)
    assert flow.most_in(1.0) <= 10_000


async def test_after_idleness_the_flow_ramps_up_over_a_minute() -> None:
    """A twentieth at once, half after half a minute, all after a minute."""
    project, times = VirtualProject(10_000.0), Times(ramp=60)
    project.now += 3600
    seconds = [(await saturate(project, 1.0, times=times, size=50, workers=4)).sent.total() for _ in range(70)]
    assert sum(seconds[:5]) / 5 < 10_000 * 3 * RAMP_FLOOR
    assert sum(seconds[28:33]) / 5 == pytest.approx(5_000, rel=0.15)
    assert sum(seconds[62:]) / 8 == pytest.approx(10_000 * BOOKED, rel=0.1)


@example(quota=1.0, size=81, troubles=[(1.0, "429"), (1.0, "429"), (18.0, "429"), *[(20.0, "429")] * 3])
@settings(max_examples=40, deadline=None)
@given(
    quota=st.floats(1, 20_000),
    size=st.integers(1, 500),
    troubles=st.lists(st.tuples(st.floats(0.1, 20), st.sampled_from(["429", "open", "close", "none"])), max_size=6),
)
async def test_whatever_happens_no_second_is_over_the_quota_and_a_denial_names_a_time(
    quota: float, size: int, troubles: list[tuple[float, str]]
) -> None:
    """429s, outages and recoveries in any order; a booking larger than any tolerance goes out all the same."""
    project = VirtualProject(quota)
    bookings: list[tuple[float, float, int]] = []
    for seconds, trouble in troubles:
        flow = await saturate(project, seconds, size=size, workers=2)
        bookings += flow.bookings
        if trouble == "429":
            await projects.on_quota_exceeded(project, "p", wait=1.0, times=NO_RAMP)
        elif trouble == "open":
            await projects.open_circuit(project, "p", "403", probe=False, times=NO_RAMP)
        elif trouble == "close":
            await projects.close_circuit(project, "p")
    bookings.sort()
    for (start, length, _), (following, _, _) in pairwise(bookings):
        assert following >= start + length - 1e-3
    await projects.close_circuit(project, "p")
    turn: projects.Turn | Wait = Wait(0.0)
    for _ in range(50):
        turn = await projects.take_turn(project, "p", lane=Lane.LOW, messages=size, times=NO_RAMP)
        if not isinstance(turn, Wait):
            break
        assert turn.seconds > 0
        project.now += turn.seconds + 1e-3
    assert not isinstance(turn, Wait)
