"""The sender's transactions on the ledger: one for each call."""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import structlog
from sqlalchemy import text

from services.sender.incidents import Incidents, Recovered
from services.sender.message import Template
from shared.contracts.content import PushContent
from shared.contracts.messages import BatchReady
from shared.db import Database, Writer
from shared.errors import MalformedMessageError, UnavailableError
from shared.ledger import campaigns, claiming, projects, releasing
from shared.ledger.claiming import Claim, NoClaim, NotYet, OverdueError
from shared.ledger.events import record_project_event
from shared.ledger.releasing import Release
from shared.ledger.times import Times

log = structlog.get_logger()

TEMPLATES = 64
"""Campaigns whose message is kept encoded: a few kilobytes each; a campaign's content never changes once it is sent."""

CONTENT = text("select content, kind from campaign where id = :id")

HELD = text("select id, status, steered from campaign where id = any(cast(:ids as bigint[]))")

HINDERED = text("""
    select id, circuit_reason, stopped_platforms,
           paused_until - extract(epoch from clock_timestamp())::float8 as pause
      from project
     where circuit_reason is not null or stopped_platforms <> '{}'
        or paused_until > extract(epoch from clock_timestamp())
     order by id
""")


class Seen(NamedTuple):
    """A campaign at one poll: its status, and how often its rate has been changed."""

    status: str
    steered: int


class Store:
    """Claims, releases and contents."""

    def __init__(self, database: Database, times: Times) -> None:
        self._database = database
        self._times = times
        self._templates: OrderedDict[int, Template] = OrderedDict()

    async def claim(self, batch: BatchReady, holder: str) -> Claim | NoClaim | NotYet:
        """Claim the batch; see `shared.ledger.claiming`.

        A claim that was overdue is booked anew, once: where PostgreSQL is always that slow, all start as late, and
        nothing comes on top of anything.
        """
        try:
            return await self._claim(batch, holder, late=False)
        except OverdueError:
            log.warning("claim.overdue", campaign_id=batch.campaign_id, batch_no=batch.batch_no)
            return await self._claim(batch, holder, late=True)

    async def _claim(self, batch: BatchReady, holder: str, *, late: bool) -> Claim | NoClaim | NotYet:
        return await self._database.again(
            lambda tx: claiming.claim(tx, batch, holder=holder, times=self._times, late=late)
        )

    async def give_back(self, batch: BatchReady, *, wait: float) -> None:
        """Return an unclaimed batch to the planner for `wait` seconds."""
        await self._database.again(lambda tx: claiming.give_back(tx, batch, wait=wait))

    async def without_credentials(self, batch: BatchReady, reason: str) -> None:
        """Open the project's circuit, since nothing of it can be sent, and return the batch to the planner."""

        async def work(tx: Writer) -> None:
            await claiming.give_back(tx, batch, wait=self._times.probe)
            if await projects.open_circuit(tx, batch.project, reason, probe=False, times=self._times):
                await record_project_event(tx, batch.project, "circuit_opened", {"reason": reason})

        await self._database.again(work)

    async def release(self, claim: Claim, result: Release) -> int | None:
        """Release the batch; returns the new epoch, None when fenced."""
        async with self._database.single() as tx:
            return await releasing.release(tx, claim, result, self._times)

    async def look_at(self, campaign_ids: Collection[int]) -> dict[int, Seen]:
        """The present status of these campaigns."""
        async with self._database.single() as tx:
            rows = await tx.all(HELD, {"ids": list(campaign_ids)})
        return {row.id: Seen(row.status, row.steered) for row in rows}

    async def record_incidents(self, claim: Claim, incidents: Incidents, recovered: Recovered) -> None:
        """Write what a batch found out about its project, platforms and campaign, with the events for it."""

        async def work(tx: Writer) -> None:
            await self._record_of_project(tx, claim, incidents, recovered)
            if incidents.stop_campaign is not None:
                reason = {"code": incidents.stop_campaign.code, "message": incidents.stop_campaign.message}
                await campaigns.stop(tx, claim.campaign_id, reason)

        await self._database.again(work)

    async def _record_of_project(self, tx: Writer, claim: Claim, incidents: Incidents, recovered: Recovered) -> None:
        project, times = claim.project, self._times
        if incidents.quota_wait is not None:
            await projects.on_quota_exceeded(tx, project, wait=incidents.quota_wait, times=times)
        if incidents.open_circuit is not None:
            if await projects.open_circuit(tx, project, incidents.open_circuit, probe=claim.probe, times=times):
                await record_project_event(tx, project, "circuit_opened", {"reason": incidents.open_circuit})
        elif recovered.project and await projects.close_circuit(tx, project):
            await record_project_event(tx, project, "circuit_closed", {})
        for platform, reason in incidents.stop_platforms:
            if await projects.stop_platform(tx, project, platform, reason, times=times):
                await record_project_event(tx, project, "platform_stopped", {"platform": platform, "reason": reason})
        if recovered.platforms and await projects.release_platforms(tx, project, recovered.platforms):
            await record_project_event(tx, project, "platform_released", {"platforms": sorted(recovered.platforms)})

    async def hindrances(self) -> dict[str, str]:
        """Why a project's messages are not sent, by project, in words; empty while PostgreSQL cannot be reached."""
        try:
            async with self._database.read() as tx:
                rows = await tx.all(HINDERED)
        except UnavailableError:
            return {}
        return {f"project {row.id}": hindrance(row.circuit_reason, row.stopped_platforms, row.pause) for row in rows}

    async def template(self, campaign_id: int) -> Template:
        """The campaign's message; raises `MalformedMessageError` when there is no such campaign."""
        if campaign_id not in self._templates:
            async with self._database.read() as tx:
                row = await tx.first(CONTENT, {"id": campaign_id})
            if row is None:
                raise MalformedMessageError(f"There is no campaign {campaign_id}.")
            content = PushContent.model_validate(row.content)
            self._templates[campaign_id] = Template(content, campaign_id, validate_only=row.kind == "dry_run")
            while len(self._templates) > TEMPLATES:
                self._templates.popitem(last=False)
        self._templates.move_to_end(campaign_id)
        return self._templates[campaign_id]


def hindrance(circuit_reason: str | None, stopped_platforms: Mapping[str, Mapping[str, Any]], pause: float) -> str:
    """What a project's row says, for people; pure."""
    said = [f"circuit open: {circuit_reason}"] if circuit_reason is not None else []
    said += [f"{name} stopped: {entry['reason']}" for name, entry in sorted(stopped_platforms.items())]
    if pause > 0:
        said.append(f"paused for {pause:.0f} s: FCM's quota is used up")
    return "; ".join(said)
