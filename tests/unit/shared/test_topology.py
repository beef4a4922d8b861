"""The topology's values, held to what loses data when it is forgotten."""

import itertools

import pytest

from shared import topology
from shared.topology import EXCHANGES, LANES, QUEUES, RETRY_RUNGS, RUNGS, Binding, Lane, Queue

DELAYS = {topology.PLANNER_DELAY.name, *(rung.queue for rung in RETRY_RUNGS)}


def receivers(exchange: str, key: str) -> list[str]:
    """Queues that get a message."""
    return [
        queue.name
        for queue in QUEUES
        if any(binding.exchange == exchange and binding.takes(key) for binding in queue.bindings)
    ]


@pytest.mark.parametrize(
    ("pattern", "taken", "left"),
    [
        ("#", ["a", "a.b", "a.b.c"], []),
        ("campaign.*", ["campaign.plan"], ["campaign", "campaign.plan.v1", "delayed.plan"]),
        ("*.high", ["new.high", "10s.high"], ["high", "new.low", "a.new.high", "new.highest"]),
    ],
)
def test_a_binding_takes_what_the_broker_would(pattern: str, taken: list[str], left: list[str]) -> None:
    """A word for each star."""
    binding = Binding("push.batches", pattern)
    assert [key for key in taken + left if binding.takes(key)] == taken


def test_every_queue_is_a_quorum_queue_with_a_name_of_its_own() -> None:
    """Durable on all versions of RabbitMQ."""
    assert all(queue.arguments["x-queue-type"] == "quorum" for queue in QUEUES)
    assert len({queue.name for queue in QUEUES}) == len(QUEUES)


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name)
def test_every_exchange_that_a_queue_names_exists(queue: Queue) -> None:
    """A binding or a dead letter to nowhere is silent loss."""
    assert {binding.exchange for binding in queue.bindings} <= set(EXCHANGES)
    assert queue.arguments.get("x-dead-letter-exchange", topology.DEAD) in EXCHANGES


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name)
def test_dead_letters_travel_at_least_once(queue: Queue) -> None:
    """RabbitMQ falls back to at-most-once in silence unless all three arguments are there."""
    arguments = queue.arguments
    if "x-dead-letter-exchange" in arguments:
        assert arguments["x-dead-letter-strategy"] == "at-least-once"
        assert arguments["x-overflow"] == "reject-publish"
    else:
        assert queue is topology.DEAD_LETTERS


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name)
def test_a_delay_has_a_lifetime_and_work_a_delivery_limit(queue: Queue) -> None:
    """Never both: a delay is not consumed, work does not expire."""
    delays = "x-message-ttl" in queue.arguments
    assert delays == (queue.name in DELAYS)
    if not delays and queue is not topology.DEAD_LETTERS:
        assert queue.arguments["x-delivery-limit"] == topology.DELIVERY_LIMIT


@pytest.mark.parametrize(("rung", "lane"), list(itertools.product(RETRY_RUNGS, Lane)))
def test_a_retry_waits_on_its_rung_and_comes_back_to_its_lane(rung: topology.Rung, lane: Lane) -> None:
    """It is dead-lettered with the key it came with, and that key names the lane."""
    key = f"{rung.name}.{lane}"
    assert receivers(topology.RETRY, key) == [rung.queue]
    arguments = RUNGS[rung.name].arguments
    assert arguments["x-message-ttl"] == rung.delay.total_seconds() * 1000
    assert arguments["x-dead-letter-exchange"] == topology.BATCHES
    assert "x-dead-letter-routing-key" not in arguments
    assert receivers(topology.BATCHES, key) == [lane.queue]


@pytest.mark.parametrize("lane", Lane)
@pytest.mark.parametrize("origin", ["new", "now"])
def test_a_batch_reaches_its_lane_and_no_other(lane: Lane, origin: str) -> None:
    """From the planner and from a sender."""
    assert receivers(topology.BATCHES, f"{origin}.{lane}") == [LANES[lane].name] == [f"sender.{lane}"]


def test_a_delayed_command_comes_back_as_a_command() -> None:
    """Under a key that the planner's queue is bound to, and the delay's is not."""
    assert receivers(topology.COMMANDS, "delayed.plan") == [topology.PLANNER_DELAY.name]
    arguments = topology.PLANNER_DELAY.arguments
    assert arguments["x-dead-letter-exchange"] == topology.COMMANDS
    assert receivers(topology.COMMANDS, str(arguments["x-dead-letter-routing-key"])) == ["planner.commands"]


@pytest.mark.parametrize("verb", ["plan", "close"])
def test_a_command_reaches_the_planner_once(verb: str) -> None:
    """Two bindings that match would deliver it twice."""
    assert receivers(topology.COMMANDS, f"campaign.{verb}") == ["planner.commands"]


@pytest.mark.parametrize("key", ["result.high", "result.planner"])
def test_results_reach_the_aggregator(key: str) -> None:
    """From senders and from the planner."""
    assert receivers(topology.RESULTS, key) == ["aggregator.results"]


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name)
def test_a_dead_letter_of_any_queue_is_kept(queue: Queue) -> None:
    """`dead` takes every key."""
    assert receivers(topology.DEAD, queue.name) == ["dead"]


def test_rungs_are_in_the_order_of_their_delays() -> None:
    """Who looks for the shortest that is long enough relies on it."""
    delays = [rung.delay for rung in RETRY_RUNGS]
    assert delays == sorted(delays)
    assert [rung.name for rung in RETRY_RUNGS] == ["10s", "1m", "5m", "30m"]
