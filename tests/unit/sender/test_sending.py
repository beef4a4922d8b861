"""What a sender does with what it knows while the ledger cannot be told."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from services.sender import sending
from services.sender.campaign_poller import CampaignPoller
from services.sender.credentials import Credentials
from services.sender.gateways import Gateway, Route
from services.sender.message import Template
from services.sender.sending import Sending
from services.sender.store import Store
from shared.contracts.content import PushContent
from shared.contracts.messages import BatchReady, BatchResult
from shared.errors import DatabaseUnavailableError
from shared.ledger.releasing import Release
from tests.unit.sender.test_outcomes import CLAIM

if TYPE_CHECKING:
    from shared.amqp.publisher import Publisher

EXPIRED = replace(CLAIM, expired=True)
BATCH = BatchReady(
    campaign_id=CLAIM.campaign_id,
    batch_no=CLAIM.batch_no,
    epoch=CLAIM.epoch,
    size=CLAIM.size,
    lane=CLAIM.lane.value,
    project=CLAIM.project,
)


class Ledger(Store):
    """A ledger that takes a release only at the last of many tries."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.released: list[Release] = []

    async def template(self, campaign_id: int) -> Template:
        """Give any message."""
        return Template(PushContent(title="t", body="b"), campaign_id, validate_only=False)

    async def claim(self, _batch: BatchReady, _holder: str) -> Any:
        """Give a batch of a campaign that is over: nothing is to be sent, and that is to be told."""
        return EXPIRED

    async def release(self, _claim: object, result: Release) -> int | None:
        """Refuse for long."""
        if self.refusals:
            self.refusals -= 1
            raise DatabaseUnavailableError("PostgreSQL takes no writes")
        self.released.append(result)
        return CLAIM.epoch + 1


class Published:
    """A publisher that remembers."""

    def __init__(self) -> None:
        self.results: list[BatchResult] = []

    async def publish(self, payload: BatchResult, _exchange: str, _key: str, **_how: object) -> None:
        """Confirm."""
        self.results.append(payload)


class NoCredentials(Credentials):
    """A route for everybody."""

    def __init__(self) -> None:
        """Hold nothing."""

    async def route(self, project: str) -> Route:
        """Lead nowhere."""
        return cast("Route", project)

    def newest(self, route: Route) -> Route:
        """Keep it."""
        return route


async def test_a_release_is_tried_for_as_long_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says is nowhere else: given up, its devices would be pushed again."""
    monkeypatch.setattr(sending, "RETRY_FOR", 0.0)
    monkeypatch.setattr(sending, "RETRY_PAUSE", 0.0)
    ledger, published = Ledger(refusals=100), Published()
    sender = Sending(
        ledger,
        cast("Gateway", None),
        NoCredentials(),
        cast("Publisher", published),
        CampaignPoller(ledger),
        holder="test",
    )
    await sender.send(BATCH)
    assert len(ledger.released) == 1
    assert [result.outcomes for result in published.results] == ["X" * CLAIM.size]
