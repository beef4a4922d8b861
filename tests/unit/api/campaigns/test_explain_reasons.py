"""Why a campaign does not move."""

from dataclasses import replace

import pytest

from services.api.campaigns.explain_facts import Facts, ProjectFacts
from services.api.campaigns.explain_reasons import reasons, sentence
from shared.amqp.depth import Depth

PROJECT = ProjectFacts(
    id="default",
    open=12,
    quota=10_000,
    rate=10_000,
    booked_ahead=0.0,
    paused_for=0.0,
    circuit=None,
    probe_in=0.0,
    platforms={},
)
WELL = Facts(
    status="sending",
    lane="high",
    total=60_000,
    pending=6_000,
    planned_out=True,
    batches={"claimed": 4, "queued": 8},
    lane_depth=Depth(8, 2),
    results_depth=Depth(0, 1),
    planner_depth=Depth(0, 1),
    projects=(PROJECT,),
)


def codes(facts: Facts) -> list[str]:
    """Codes of all reasons, the weightiest first."""
    return [reason.code for reason in reasons(facts)]


def test_a_campaign_that_nothing_holds_says_so() -> None:
    """There is always a reason."""
    assert codes(WELL) == ["finishing"]
    assert sentence(replace(WELL, speed=4000.0), reasons(WELL)).startswith("It moves, at 4,000 devices a second.")


def test_a_queue_that_may_not_be_looked_at_is_told_after_all_else() -> None:
    """The broker is there, and who serves the queue is unknown: that holds nothing by itself."""
    facts = replace(WELL, lane_depth=None, hidden=("sender.high",))
    assert codes(facts) == ["finishing", "queue_hidden"]
    assert "`python -m shared.topology` with CARILLON_BROKER_PASSWORDS_DIR" in reasons(facts)[1].detail


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"projects": (replace(PROJECT, paused_for=41.0),)}, "project_paused", "another 41 s"),
        ({"projects": (replace(PROJECT, circuit="PERMISSION_DENIED", probe_in=9.0),)}, "circuit_open", "in 9 s"),
        ({"projects": (replace(PROJECT, platforms={"ios": "key"}),)}, "platform_stopped", "ios"),
        ({"projects": (replace(PROJECT, booked_ahead=2.5, rate=7000.0),)}, "quota", "2.5 s ahead at 7,000 (of 10,000)"),
        ({"lane_depth": Depth(8, 0)}, "no_sender", "lane high; 8 batches"),
        ({"lane_depth": None}, "broker_unreachable", "RabbitMQ"),
        ({"lane_depth": None, "missing": ("sender.high",)}, "queue_missing", "lacks queue sender.high:"),
        ({"commands_wait": 61.0}, "broker_blocked", "61 s"),
        ({"planner_depth": Depth(3, 0), "planned_out": False}, "no_planner", "No planner"),
        ({"results_depth": Depth(5, 0)}, "no_aggregator", "5 wait"),
        ({"report_age": 12.0, "batches": {"reported": 9}}, "aggregator_behind", "9 batches reported"),
        ({"planned_out": False}, "window_full", "12 batches on the way (8 queued, 4 with senders"),
        ({"planned_out": False, "batches": {}, "step_age": 3.0}, "planning", "3 s ago"),
        ({"own_rate": 5.0}, "own_rate", "5 devices a second"),
        ({"expired": True}, "expired", "6000 devices"),
        (
            {"batches": {"waiting": 3}, "next_retry_in": 8.0, "last_retry_in": 250.0},
            "waiting_for_retries",
            "3 batches waiting for a retry: the next is due in 8 s, the last in 250 s",
        ),
        ({"batches": {"planned": 3}, "next_publish_in": 19.0}, "given_back", "in 19 s"),
    ],
)
def test_each_thing_that_holds_a_campaign_is_told_with_its_figures(
    changes: dict[str, object], code: str, words: str
) -> None:
    """As the first reason, when it is the only one."""
    facts = replace(WELL, **changes)  # type: ignore[arg-type]  # a mixed bag of fields
    assert codes(facts)[0] == code
    assert words in sentence(facts, reasons(facts))


def test_what_is_broken_comes_before_what_is_as_it_should_be() -> None:
    """An operator repairs the first thing first."""
    facts = replace(WELL, planned_out=False, own_rate=10.0, lane_depth=Depth(8, 0))
    assert codes(facts) == ["no_sender", "own_rate", "window_full"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"status": "draft"}, "draft"),
        ({"status": "scheduled"}, "scheduled"),
        ({"status": "scheduled", "stop": "Ada stopped everything."}, "everything_stopped"),
        ({"status": "paused"}, "paused"),
        ({"status": "paused", "stopped": {"code": "INVALID_ARGUMENT", "message": "bad icon"}}, "payload_refused"),
        ({"status": "paused", "stop": "Ada stopped everything."}, "everything_stopped"),
        ({"status": "cancelling", "lease_ends_in": 80.0}, "held_by_senders"),
        ({"status": "cancelling", "batches": {"reported": 2}}, "closing"),
        ({"status": "completed"}, "ended"),
    ],
)
def test_a_campaign_that_is_not_sending_is_explained_by_its_state(changes: dict[str, object], code: str) -> None:
    """One reason, whatever else is wrong."""
    facts = replace(WELL, lane_depth=None, **changes)  # type: ignore[arg-type]  # a mixed bag of fields
    assert codes(facts) == [code]
