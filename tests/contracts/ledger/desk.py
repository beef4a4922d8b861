"""The ledger as its callers have it: the services' stores, the operator's moves, and a look at every row."""

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import Any

from services.aggregator.store import Store as AggregatorStore
from services.planner.store import Stepped
from services.planner.store import Store as PlannerStore
from services.sender.store import Store as SenderStore
from shared.contracts.messages import BatchReady, BatchResult, CloseCampaign, PlanCampaign
from shared.db import Database, Writer
from shared.ledger import letters, steering
from shared.ledger.claiming import Claim, NoClaim, NotYet
from shared.ledger.merging import Merged, fold
from shared.ledger.releasing import Release
from shared.ledger.steering import Course, Stopped
from shared.ledger.times import Times
from shared.topology import Lane
from tests.chaos.simulation.ledger.moves import Moves
from tests.contracts.ledger.picture import Row, Rows

START = 1_800_000_000.0
"""Seconds since 1970 at which every test begins."""
SIZE = 2
"""Devices of a batch."""
STEP = 4
"""Batches of a planning step."""
TIMES = Times(ramp=0)


class Time:
    """Seconds since 1970, moved by hand; in 64ths, so that every clock and every sum of them is exact."""

    def __init__(self) -> None:
        self.now = START

    def as_datetime(self) -> datetime:
        """The same for who wants a `datetime`."""
        return datetime.fromtimestamp(self.now, UTC)


class Desk(Moves, ABC):
    """Short verbs over one ledger; each is one transaction, as in the services."""

    def __init__(self, database: Database, time: Time) -> None:
        self.database = database
        self.time = time
        self.planner = PlannerStore(database, TIMES)
        self.sender = SenderStore(database, TIMES)
        self.aggregator = AggregatorStore(database)

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.time.now += seconds

    @abstractmethod
    async def add_project(self, name: str, *, rate: float) -> None:
        """Add a project, or set its quota."""

    @abstractmethod
    async def devices(self, count: int, *, project: str = "default", platform: str = "android") -> list[int]:
        """Register devices; returns their ids."""

    @abstractmethod
    async def draft(
        self,
        *,
        audience: dict[str, Any] | None = None,
        priority: str = "normal",
        delivery: str = "at_least_once",
        max_attempts: int = 3,
        rate: float | None = None,
        ttl: int = 36_000,
        scheduled_at: float | None = None,
    ) -> int:
        """Write a campaign; returns its id."""

    @abstractmethod
    async def refresh(self, device: int, target: str) -> None:
        """Give a device another token."""

    @abstractmethod
    async def rows(self) -> Rows:
        """Every row by its table."""

    # The operator.

    async def steer(self, campaign_id: int, *, rate: float | None, lane: Lane) -> bool:
        """Change rate and lane; nothing is committed when it is not under way."""
        row = await self.campaign(campaign_id)
        before = Course(row["rate"], Lane(row["priority"]))

        async def change(tx: Writer) -> None:
            if not await steering.steer(
                tx, campaign_id, before=before, after=Course(rate, lane), revision=row["revision"]
            ):
                raise _TakenBackError

        try:
            await self.database.again(change)
        except _TakenBackError:
            return False
        return True

    async def stop_all(self, project: str | None = None) -> Stopped:
        """Stop everything, or all of a project."""
        return await self.database.again(
            lambda tx: steering.stop_all(tx, project=project, reason="wrong price", by="operator")
        )

    async def resume_all(self) -> list[Stopped]:
        """Undo every stop."""
        return await self.database.again(lambda tx: steering.resume_all(tx, None))

    # The services.

    async def step(self, campaign_id: int, *, ahead: int = 0) -> Stepped | None:
        """Do the ledger's planning step, or one of another seq."""
        seq = next((plan["seq"] for plan in (await self.rows())["plans"] if plan["campaign_id"] == campaign_id), 0)
        return await self.planner.step(PlanCampaign(campaign_id=campaign_id, seq=max(0, seq + ahead)))

    async def close(self, campaign_id: int) -> list[BatchResult]:
        """Do a pass over a cancelled campaign."""
        return await self.planner.close(CloseCampaign(campaign_id=campaign_id))

    async def claim(self, batch: BatchReady, holder: str = "sender-1") -> Claim | NoClaim | NotYet:
        """Claim a batch."""
        return await self.sender.claim(batch, holder)

    async def release(self, claim: Claim, outcomes: str, **known: Any) -> int | None:
        """Give a batch back; `retry_after` and `attempt` follow from the outcomes unless they are given."""
        left = letters.open_positions(claim.outcomes, letters.join(claim.reported, outcomes))
        known = {"retry_after": 10.0 if left else None, "attempt": claim.attempt + 1, **known}
        return await self.sender.release(claim, Release(outcomes=outcomes, **known))

    async def merge(self, *results: BatchResult) -> Merged:
        """Merge a window."""
        return await self.aggregator.merge(fold(results))

    # Short ways there, and looks.

    async def sent(self, devices: int = 2 * SIZE, **options: Any) -> int:
        """A campaign that is being sent to new devices."""
        await self.devices(devices)
        campaign_id = await self.draft(**options)
        assert await self.send(campaign_id) is not None
        return campaign_id

    async def planned(self, devices: int = 2 * SIZE, **options: Any) -> list[BatchReady]:
        """All batches of a campaign that is being sent to new devices."""
        return await self.plan(await self.sent(devices, **options))

    async def plan(self, campaign_id: int) -> list[BatchReady]:
        """Step until there is nothing left to cut."""
        batches: list[BatchReady] = []
        for _ in range(20):
            stepped = await self.step(campaign_id)
            if stepped is None:
                break
            batches += stepped.batches
            if stepped.done:
                break
        return batches

    async def claimed(self, devices: int = SIZE, **options: Any) -> Claim:
        """The first batch of a new campaign in the hands of sender-1."""
        return granted(await self.claim((await self.planned(devices, **options))[0]))

    async def campaign(self, campaign_id: int) -> Row:
        """One campaign's row."""
        return next(row for row in (await self.rows())["campaigns"] if row["id"] == campaign_id)

    async def batch(self, of: BatchReady | Claim) -> Row:
        """One batch's row."""
        key = (of.campaign_id, of.batch_no)
        return next(row for row in (await self.rows())["batches"] if (row["campaign_id"], row["batch_no"]) == key)

    async def events(self, campaign_id: int) -> list[str]:
        """Names of a campaign's events."""
        return [row["name"] for row in (await self.rows())["events"] if row["campaign_id"] == campaign_id]

    async def commands(self) -> list[tuple[str, Row]]:
        """Keys and bodies of the commands that wait for a relay."""
        return [(row["routing_key"], row["body"]) for row in (await self.rows())["outbox"] if row["kind"] == "command"]


class _TakenBackError(Exception):
    """Rolls a transaction back."""


def granted(outcome: Claim | NoClaim | NotYet) -> Claim:
    """Insist that a claim was granted."""
    assert isinstance(outcome, Claim), outcome
    return outcome


def said(claim: Claim, outcomes: str, **known: Any) -> BatchResult:
    """What the sender that holds `claim` publishes."""
    return BatchResult(
        campaign_id=claim.campaign_id, batch_no=claim.batch_no, epoch=claim.epoch, outcomes=outcomes, **known
    )
