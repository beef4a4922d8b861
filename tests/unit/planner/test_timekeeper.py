"""A round of the timekeeper: what cannot be published holds up nothing else."""

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from services.planner import timekeeper
from services.planner.publishing import Publishing
from services.planner.store import Lost, Store
from services.planner.timekeeper import Timekeeper
from shared.contracts.messages import BatchReady, BatchResult
from shared.errors import BrokerUnavailableError, DatabaseUnavailableError, LookRefusedError
from shared.ledger.due import Leftover
from shared.ledger.sweeping import Swept
from shared.topology import Lane
from tests.support.eventually import eventually

if TYPE_CHECKING:
    from aio_pika.abc import AbstractRobustConnection

GONE = BrokerUnavailableError("Queue sender.high cannot be asked")


class FakeStore(Store):
    """Two campaigns with leftovers, and a sweep that remembers which lanes it was told are busy."""

    def __init__(self) -> None:
        self.busy: list[str] = []
        self.age: float | None = None

    async def start_due(self) -> list[int]:
        """None is due."""
        return []

    async def command_lost_steps(self, *, age: float | None = None) -> Lost:
        """None is lost."""
        self.age = age
        return Lost([], [])

    async def sweep(self, *, busy_lanes: "list[str]") -> Swept:  # type: ignore[override]
        """Find nothing."""
        self.busy = list(busy_lanes)
        return Swept()

    async def leftovers(self) -> list[Leftover]:
        """One in the lane that is gone, one in another."""
        return [Leftover(1, Lane.HIGH, None, None), Leftover(2, Lane.LOW, None, None)]

    async def take_leftover(self, campaign: Leftover) -> list[BatchReady]:
        """A batch of it."""
        return [
            BatchReady(
                campaign_id=campaign.id, batch_no=0, epoch=0, size=1, lane=campaign.lane.value, project="default"
            )
        ]


class FakePublishing(Publishing):
    """Publishes to all lanes but the high one."""

    def __init__(self) -> None:
        self.published: list[int] = []

    async def publish(self, batches: "list[BatchReady]") -> None:  # type: ignore[override]
        """Remember whose they are."""
        if batches[0].lane == "high":
            raise GONE
        self.published.append(batches[0].campaign_id)

    async def report(self, results: "list[BatchResult]") -> None:  # type: ignore[override]
        """Report nothing."""
        assert results == []


async def test_a_lane_that_is_gone_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts as busy, so that no batch in it is called lost; the others' leftovers are published."""

    async def ready(_connection: object, queue: str, _refusals: object) -> int:
        if queue == "sender.high":
            raise GONE
        return 0

    monkeypatch.setattr(timekeeper, "ready_messages", ready)
    store, publishing = FakeStore(), FakePublishing()
    rung: list[bool] = []
    keeper = Timekeeper(
        store, publishing, cast("AbstractRobustConnection", None), tick=1, on_commit=lambda: rung.append(True)
    )
    with pytest.raises(BrokerUnavailableError):
        await keeper.round()
    assert store.busy == ["high"]
    assert publishing.published == [2]
    assert rung


async def test_after_trouble_holders_speak_before_a_batch_is_called_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease that ran out while nobody could write says nothing of its sender, who knows what it has sent."""
    monkeypatch.setattr(timekeeper, "HOLDERS_FIRST", 0.3)

    async def ready(_connection: object, _queue: str, _refusals: object) -> int:
        return 0

    monkeypatch.setattr(timekeeper, "ready_messages", ready)
    loop = asyncio.get_running_loop()
    away = loop.time() + 0.1
    failed: list[float] = []
    swept: list[float] = []

    class ComesBack(FakeStore):
        async def start_due(self) -> list[int]:
            if loop.time() < away:
                failed.append(loop.time())
                raise DatabaseUnavailableError("PostgreSQL takes no writes")
            return []

        async def sweep(self, *, busy_lanes: "list[str]") -> Swept:  # type: ignore[override]
            swept.append(loop.time())
            return await super().sweep(busy_lanes=busy_lanes)

        async def leftovers(self) -> list[Leftover]:
            return []

    keeper = Timekeeper(
        ComesBack(), FakePublishing(), cast("AbstractRobustConnection", None), tick=0.01, on_commit=lambda: None
    )
    running = asyncio.create_task(keeper.run())
    await eventually(lambda: swept)
    running.cancel()
    assert len(failed) > 1
    assert swept[0] - failed[-1] >= 0.3


async def test_a_lane_that_may_not_be_looked_at_counts_as_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what is lost in it would wait for an hour."""

    async def ready(_connection: object, queue: str, _refusals: object) -> int:
        if queue == "sender.normal":
            return 1
        raise LookRefusedError(queue)

    monkeypatch.setattr(timekeeper, "ready_messages", ready)
    store = FakeStore()
    keeper = Timekeeper(store, FakePublishing(), cast("AbstractRobustConnection", None), tick=1, on_commit=lambda: None)
    with pytest.raises(BrokerUnavailableError):
        await keeper.round()
    assert store.busy == ["normal"]


async def test_after_a_node_was_left_a_step_counts_as_lost_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its command may have gone to a consumer that nobody hears; for a minute, then as ever."""

    async def ready(_connection: object, _queue: str, _refusals: object) -> int:
        return 0

    class Quiet(FakeStore):
        async def leftovers(self) -> list[Leftover]:
            return []

    monkeypatch.setattr(timekeeper, "ready_messages", ready)
    store = Quiet()
    keeper = Timekeeper(store, FakePublishing(), cast("AbstractRobustConnection", None), tick=1, on_commit=lambda: None)
    await keeper.round()
    assert store.age is None
    keeper.hurry()
    await keeper.round()
    assert store.age == timekeeper.HURRIED
    monkeypatch.setattr(timekeeper, "HURRY_FOR", 0.0)
    keeper.hurry()
    await keeper.round()
    assert store.age is None
