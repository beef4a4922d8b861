"""The ledger in memory with the services' own stores over it, and what the API does to a campaign."""

import hashlib
from collections.abc import Callable
from typing import Any

from services.aggregator.store import Store as AggregatorStore
from services.planner.store import Store as PlannerStore
from services.sender.store import Store as SenderStore
from shared.ledger import steering
from shared.ledger.steering import Course
from shared.ledger.times import Times
from shared.topology import Lane
from tests.chaos.simulation.ledger import batches, planning, projects
from tests.chaos.simulation.ledger import campaigns as campaign_rows
from tests.chaos.simulation.ledger.memory import STATEMENTS, Memory
from tests.chaos.simulation.ledger.moves import Moves
from tests.chaos.simulation.ledger.rows import Campaign, Device, Project

CONTENT = {"title": "News", "body": "All of it"}

DEFINED_IN = (batches, campaign_rows, planning, projects)
"""Importing them fills `STATEMENTS`."""


class Ledger(Moves):
    """One ledger for all simulated processes; `now` tells the seconds since 1970.

    `planner`, `sender` and `aggregator` are the services' stores; each of their calls is one transaction that awaits
    nothing. `tables` may be read at any time: `tables.outbox` holds what relays have to publish, by id.
    """

    database: Memory

    def __init__(self, now: Callable[[], float], times: Times | None = None) -> None:
        assert STATEMENTS, DEFINED_IN
        times = times or Times()
        self.database = Memory(now)
        self.tables = self.database.tables
        self.planner = PlannerStore(self.database, times)
        self.sender = SenderStore(self.database, times)
        self.aggregator = AggregatorStore(self.database)
        self.project("default")

    def project(self, name: str, *, rate: float = 10_000.0) -> None:
        """Add a project, or set its quota in messages a second."""
        self.tables.projects[name] = self.tables.projects.get(name, Project(name)).but(rate=rate)

    def devices(self, count: int, *, project: str = "default", platform: str = "android") -> list[int]:
        """Register devices of a project, user-1, user-2, …; returns their ids."""
        return [self._device(f"user-{number}", project, platform) for number in range(1, count + 1)]

    def _device(self, user: str, project: str, platform: str) -> int:
        id_ = next(self.tables.device_ids)
        target = f"target-{id_ - 1}"
        self.tables.devices[id_] = Device(id_, project, user, platform, "token", target, target_hash(target))
        return id_

    def draft(
        self,
        *,
        audience: dict[str, Any] | None = None,
        priority: str = "normal",
        delivery: str = "at_least_once",
        max_attempts: int = 3,
        rate: float | None = None,
        ttl: int = 3600,
        scheduled_at: float | None = None,
    ) -> int:
        """Write a campaign to `all`, or to named `users` or `devices`; returns its id."""
        campaign = Campaign(
            id=next(self.tables.campaign_ids),
            content={**CONTENT, "priority": priority},
            audience=audience or {"kind": "all"},
            priority=priority,
            ttl_seconds=ttl,
            delivery=delivery,
            max_attempts=max_attempts,
            rate=rate,
            status="draft" if scheduled_at is None else "scheduled",
            scheduled_at=scheduled_at,
        )
        self.tables.campaigns[campaign.id] = campaign
        return campaign.id

    async def steer(self, campaign_id: int, *, rate: float | None, lane: Lane) -> bool:
        """Give it another rate, another lane, or both; False when it is not under way."""
        campaign = self.tables.campaigns[campaign_id]
        if campaign.status not in {"sending", "paused"}:
            return False
        before = Course(campaign.rate, Lane(campaign.priority))
        return await self.database.again(
            lambda tx: steering.steer(
                tx, campaign_id, before=before, after=Course(rate, lane), revision=campaign.revision
            )
        )


def target_hash(target: str) -> bytes:
    """What the registry keeps of a target: the first 16 bytes of SHA-256 over kind and value."""
    return hashlib.sha256(f"token:{target}".encode()).digest()[:16]
