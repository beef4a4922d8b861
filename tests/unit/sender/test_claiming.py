"""Claiming a batch: which waits here, who goes back to the planner."""

import asyncio
from collections import Counter

from services.sender.claiming import LONGEST_HOLD, STOPPED_HOLD, Claimer
from services.sender.store import Store
from shared.contracts.messages import BatchReady
from shared.ledger.claiming import Claim, NoClaim, NotYet


def batch(number: int = 0, project: str = "p", campaign: int = 1) -> BatchReady:
    """A reference to a batch of the high lane."""
    return BatchReady(campaign_id=campaign, batch_no=number, epoch=0, size=2, lane="high", project=project)


class FakeStore(Store):
    """Denies each batch with these answers in turn, then says that it is stale; counts who asks at once."""

    def __init__(self, *denials: NotYet) -> None:
        self.denials = list(denials)
        self.given_back: list[float] = []
        self.asking: Counter[str] = Counter()
        self.most_asking: Counter[str] = Counter()

    async def claim(self, batch: BatchReady, holder: str) -> Claim | NoClaim | NotYet:  # noqa: ARG002 - as it is
        """Answer after a turn of the loop."""
        self.asking[batch.project] += 1
        self.most_asking[batch.project] = max(self.asking[batch.project], self.most_asking[batch.project])
        await asyncio.sleep(0)
        self.asking[batch.project] -= 1
        return self.denials.pop(0) if self.denials else NoClaim.STALE

    async def give_back(self, batch: BatchReady, *, wait: float) -> None:  # noqa: ARG002 - as it is
        """Take down the wait."""
        self.given_back.append(wait)


def asking(store: FakeStore) -> tuple[Claimer, asyncio.Event]:
    """Someone who asks, and the bell that ends all waiting."""
    draining = asyncio.Event()
    return Claimer(store, holder="h", draining=draining), draining


async def test_a_short_wait_for_the_quota_is_waited_for_here() -> None:
    """And then asked again."""
    store = FakeStore(NotYet(0.01), NotYet(0.01))
    assert await asking(store)[0].claim(batch()) is None
    assert (store.denials, store.given_back) == ([], [])


async def test_a_long_wait_goes_back_to_the_planner() -> None:
    """With the time when it is worth asking again."""
    store = FakeStore(NotYet(LONGEST_HOLD + 1))
    await asking(store)[0].claim(batch())
    assert store.given_back == [LONGEST_HOLD + 1]


async def test_a_stopped_project_holds_no_place_in_the_lane() -> None:
    """Other projects' batches are behind it."""
    store = FakeStore(NotYet(STOPPED_HOLD + 0.1, stopped=True))
    await asking(store)[0].claim(batch())
    assert store.given_back == [STOPPED_HOLD + 0.1]


async def test_of_a_projects_batches_in_a_lane_one_asks_at_a_time() -> None:
    """Another project's need not wait for them."""
    store = FakeStore(*[NotYet(0.001)] * 6)
    asks = asking(store)[0]
    await asyncio.gather(*(asks.claim(batch(number, project)) for number in range(4) for project in ("p", "q")))
    assert store.most_asking == {"p": 1, "q": 1}


async def test_a_campaigns_own_rate_stops_no_other_campaign() -> None:
    """Who waits for it lets the others ask."""
    store = FakeStore(NotYet(5, own=True))
    asks, draining = asking(store)
    slow = asyncio.create_task(asks.claim(batch(0)))
    await asyncio.sleep(0)
    async with asyncio.timeout(1):
        assert await asks.claim(batch(1)) is None
    assert not slow.done()
    draining.set()
    assert await slow is None


async def test_of_a_slow_campaigns_batches_one_waits_here() -> None:
    """The others leave their places in the lane to other campaigns."""
    store = FakeStore(NotYet(5, own=True), NotYet(5, own=True), NotYet(5, own=True))
    asks, draining = asking(store)
    first = asyncio.create_task(asks.claim(batch(0)))
    await asyncio.sleep(0)
    async with asyncio.timeout(1):
        assert await asks.claim(batch(1)) is None
    assert store.given_back == [5]
    other = asyncio.create_task(asks.claim(batch(0, campaign=2)))
    await asyncio.sleep(0)
    assert not first.done()
    assert not other.done()
    draining.set()
    await asyncio.gather(first, other)


async def test_a_drain_ends_every_wait() -> None:
    """What still has to wait goes back, for another sender to take at once."""
    store = FakeStore(NotYet(10), NotYet(10))
    asks, draining = asking(store)
    waiting = asyncio.create_task(asks.claim(batch()))
    await asyncio.sleep(0)
    draining.set()
    async with asyncio.timeout(1):
        assert await waiting is None
    assert store.given_back == [0.0]
