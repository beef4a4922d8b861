"""What a sender sees of the campaigns that it holds."""

import asyncio
from collections.abc import Collection

import pytest

from services.sender import campaign_poller as module
from services.sender.campaign_poller import CampaignPoller
from services.sender.store import Seen, Store
from tests.support.eventually import eventually


class FakeStore(Store):
    """A ledger with two campaigns."""

    def __init__(self) -> None:
        self.campaigns = {1: Seen("sending", 0), 2: Seen("sending", 3)}

    async def look_at(self, campaign_ids: Collection[int]) -> dict[int, Seen]:
        """Read those that are asked for."""
        return {id_: self.campaigns[id_] for id_ in campaign_ids}


async def test_a_pause_and_another_rate_are_seen_while_a_batch_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """And forgotten with the last batch of the campaign."""
    monkeypatch.setattr(module, "LOOK", 0.001)
    store = FakeStore()
    poller = CampaignPoller(store)
    running = asyncio.create_task(poller.run())
    try:
        with poller.hold(1), poller.hold(2):
            assert not poller.steered(2, 3)
            store.campaigns = {1: Seen("paused", 0), 2: Seen("sending", 4)}
            await eventually(lambda: poller.stopped(1))
            await eventually(lambda: poller.steered(2, 3))
            assert not poller.stopped(2)
            assert not poller.steered(2, 4)
            assert not poller.steered(1, 0)
        await eventually(lambda: not poller.stopped(1))
    finally:
        running.cancel()
