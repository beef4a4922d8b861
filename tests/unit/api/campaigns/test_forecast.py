"""What sending a campaign would mean."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.campaigns.forecast import (
    Other,
    Plan,
    ProjectState,
    Recipients,
    batch_size,
    lane_share,
    near_quarter,
    shares,
    warnings,
)
from services.planner.window import batch_size as planners_batch_size
from shared.topology import Lane

PLAN = Plan(
    start=datetime(2026, 11, 22, 9, 5, tzinfo=UTC),
    lane=Lane.NORMAL,
    rate=None,
    ttl=timedelta(days=1),
    sizes={"android": 200},
)
PROJECTS = {"a": ProjectState("a", 10_000.0), "b": ProjectState("b", 100.0)}


@given(rate=st.none() | st.floats(0.001, 1e6))
def test_batches_are_counted_as_the_planner_cuts_them(rate: float | None) -> None:
    """The two may not drift apart."""
    assert batch_size(rate) == planners_batch_size(rate)


def test_each_project_takes_its_part_at_its_own_quota() -> None:
    """The slowest decides when all is done."""
    first, second = shares(PLAN, [Recipients("a", "ios", 20_000), Recipients("b", "ios", 1_000)], PROJECTS, [])
    assert (first.seconds, second.seconds) == (2.0, 10.0)
    assert (first.batches, second.batches) == (40, 2)
    assert first.quota_share == 1.0


def test_a_rate_of_its_own_is_split_by_devices() -> None:
    """Both projects end together."""
    plan = replace(PLAN, rate=30.0)
    first, second = shares(plan, [Recipients("a", "ios", 2_000), Recipients("b", "ios", 1_000)], PROJECTS, [])
    assert (first.rate, second.rate) == (20.0, 10.0)
    assert first.seconds == second.seconds == 100.0


def test_a_pause_of_the_project_comes_first() -> None:
    """FCM said to wait."""
    (share,) = shares(PLAN, [Recipients("a", "ios", 10_000)], {"a": ProjectState("a", 10_000.0, paused_for=60.0)}, [])
    assert share.seconds == 61.0


def test_others_on_the_same_lane_share_it_and_other_lanes_have_theirs_as_the_governor_gives_it() -> None:
    """A lower lane has its floor, the highest what is left."""
    others = [Other(1, "x", Lane.NORMAL, sending=True), Other(2, "y", Lane.HIGH, sending=True)]
    assert lane_share(Lane.NORMAL, others) == pytest.approx(0.2 / 2)
    assert lane_share(Lane.HIGH, others) == pytest.approx(0.8 / 2)
    assert lane_share(Lane.NORMAL, [Other(3, "z", Lane.LOW, sending=True)]) == pytest.approx(0.9)
    assert lane_share(Lane.NORMAL, [Other(3, "z", Lane.LOW, sending=False, at=PLAN.start)]) == 1.0


@pytest.mark.parametrize(
    ("plan", "parts", "projects", "others", "code"),
    [
        (replace(PLAN, start=PLAN.start.replace(minute=29, second=30)), None, None, [], "quarter_hour"),
        (PLAN, None, None, [Other(1, "x", Lane.LOW, sending=True)], "clash"),
        (PLAN, None, None, [Other(1, "x", Lane.LOW, sending=False, at=PLAN.start)], "clash"),
        (replace(PLAN, ttl=timedelta(seconds=10)), None, None, [], "expires_first"),
        (PLAN, [], None, [], "nobody"),
        (PLAN, [Recipients("a", "ios", 100, stale=30)], None, [], "stale"),
        (replace(PLAN, sizes={"apns": 4000}), None, None, [], "large"),
        (PLAN, None, {"a": ProjectState("a", 1.0, circuit="PERMISSION_DENIED")}, [], "circuit_open"),
        (PLAN, None, {"a": ProjectState("a", 1.0, paused_for=3.0)}, [], "project_paused"),
        (PLAN, None, {"a": ProjectState("a", 1.0, stopped_platforms={"ios": "key"})}, [], "platform_stopped"),
    ],
)
def test_what_speaks_against_it_is_told(
    plan: Plan, parts: list[Recipients] | None, projects: dict[str, ProjectState] | None, others: list[Other], code: str
) -> None:
    """Each by itself."""
    parts = [Recipients("a", "ios", 100, stale=5)] if parts is None else parts
    found = warnings(plan, parts, projects or {}, others, finish=plan.start + timedelta(minutes=1))
    assert [warned.code for warned in found] == [code]


def test_a_schedule_behind_its_end_is_no_clash() -> None:
    """Nor is a campaign that is only a draft, which is none of the others."""
    later = Other(1, "x", Lane.LOW, sending=False, at=PLAN.start + timedelta(hours=1))
    assert warnings(PLAN, [Recipients("a", "ios", 1)], {}, [later], finish=PLAN.start + timedelta(minutes=1)) == []


@given(minute=st.integers(0, 59), second=st.integers(0, 59))
def test_quarters_are_a_minute_wide_on_either_side(minute: int, second: int) -> None:
    """Whatever the hour."""
    past = (minute * 60 + second) % 900
    assert near_quarter(datetime(2026, 1, 1, 9, minute, second, tzinfo=UTC)) == (past <= 60 or past >= 840)
