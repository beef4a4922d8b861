"""`GET /v1/campaigns/{id}/explain`: why a campaign does not move, or no faster."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text
from sqlalchemy.engine import Row

from services.api.access.roles import Viewer
from services.api.campaigns import queries as campaigns
from services.api.campaigns import store
from services.api.campaigns.explain_facts import Facts, ProjectFacts
from services.api.campaigns.explain_reasons import reasons, sentence
from services.api.campaigns.parameters import CampaignId
from services.api.campaigns.schemas import Status
from services.api.campaigns.states import found
from services.api.http.problems import EVERYWHERE, NO_CAMPAIGN, documented
from services.api.resources import Resources, resources
from services.api.system.broker_view import BrokerView
from shared.amqp.depth import Depth
from shared.db import Reader
from shared.errors import BrokerUnavailableError, LookRefusedError, QueueMissingError
from shared.ledger import throttle
from shared.outbox import commands_wait
from shared.topology import AGGREGATOR_RESULTS, PLANNER_COMMANDS, Lane

router = APIRouter(prefix="/v1/campaigns", tags=["campaigns"], responses=EVERYWHERE)

ASK = 2.0
"""Seconds that the broker has to tell its queues' depths; after that it counts as out of reach."""

# Open batches only: their partial index holds the few thousand that a window and its retries can have.
BATCHES = text("""
    select b.state, b.project_id, count(*) as n,
           extract(epoch from min(b.due_at) - clock_timestamp())::float8 as first_due_in,
           extract(epoch from max(b.due_at) - clock_timestamp())::float8 as last_due_in,
           extract(epoch from clock_timestamp() - min(b.since))::float8 as oldest,
           (max(b.lease_until) - extract(epoch from clock_timestamp()))::float8 as lease_ends_in
      from campaign_batch b where b.campaign_id = :id and b.state <> 'finished' group by b.state, b.project_id
""")
CAMPAIGN = text("""
    select c.status, c.priority, c.rate, c.scheduled_at, c.stopped, c.stop_id, c.total, c.pending, c.planned_at,
           c.deadline <= clock_timestamp() as expired, s.reason as stop_reason, s.created_by as stopped_by,
           extract(epoch from clock_timestamp() - p.touched_at)::float8 as step_age,
           (select count(*) from campaign o where o.status = 'sending' and o.id <> c.id) as others
      from campaign c left join campaign_plan p on p.campaign_id = c.id left join stop s on s.id = c.stop_id
     where c.id = :id
""")
PROJECTS = text("""
    select id, rate, tat, paused_until, ramp_from, cut_rate, cut_at, circuit_reason, circuit_probe_at,
           stopped_platforms, extract(epoch from clock_timestamp())::float8 as now
      from project where id = any(cast(:ids as text[])) order by id
""")

SAID = "FCM said that the quota of project default is used up: it pauses for another 41 s, with 60 batches open."
EXAMPLE: dict[str, Any] = {
    "campaign_id": 7,
    "status": "sending",
    "moving": False,
    "sentence": SAID,
    "reasons": [
        {
            "code": "project_paused",
            "detail": SAID,
            "figures": {"project": "default", "open": 60, "seconds": 41.2},
        }
    ],
}


class ExplanationReason(BaseModel):
    """One thing that holds the campaign."""

    code: str = Field(description="Stable; for programs")
    detail: str
    figures: dict[str, float | int | str | None]


class Explanation(BaseModel):
    """Why a campaign is where it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    campaign_id: int
    status: Status
    moving: bool = Field(description="Whether devices had an outcome in the last 10 s or so")
    sentence: str
    reasons: list[ExplanationReason] = Field(description="All that hold, the weightiest first")


@router.get("/{campaign_id}/explain", responses=documented(NO_CAMPAIGN))
async def explain_campaign(request: Request, _: Viewer, campaign_id: CampaignId) -> Explanation:
    """Say in a sentence why a campaign does not move, or no faster, with the figures of now."""
    at_hand = resources(request)
    async with at_hand.database.read() as tx:
        facts = await _facts(tx, at_hand, campaign_id)
    missing: set[str] = set()
    hidden: set[str] = set()
    lane, results, planner = await asyncio.gather(
        *(
            _depth(at_hand, queue, missing, hidden)
            for queue in (Lane(facts["lane"]).queue, AGGREGATOR_RESULTS.name, PLANNER_COMMANDS.name)
        )
    )
    seen = Facts(
        **facts,
        lane_depth=lane,
        results_depth=results,
        planner_depth=planner,
        missing=tuple(sorted(missing)),
        hidden=tuple(sorted(hidden)),
    )
    because = reasons(seen)
    return Explanation.model_validate(
        {
            "campaign_id": campaign_id,
            "status": seen.status,
            "moving": bool(seen.speed),
            "sentence": sentence(seen, because),
            "reasons": [{"code": one.code, "detail": one.detail, "figures": dict(one.figures)} for one in because],
        }
    )


async def _facts(tx: Reader, at_hand: Resources, campaign_id: int) -> dict[str, Any]:
    row = found(await tx.first(CAMPAIGN, {"id": campaign_id}), campaign_id)
    pace = found(await campaigns.stats(tx, campaign_id), campaign_id)
    open_batches = await tx.all(BATCHES, {"id": campaign_id})
    projects = await tx.all(PROJECTS, {"ids": sorted({batch.project_id for batch in open_batches})})
    stop = await store.system_stop(tx)
    who, why = (
        (row.stopped_by, row.stop_reason) if row.stop_id else (stop.created_by, stop.reason) if stop else ("", "")
    )

    def all_of(state: str) -> list[Row[Any]]:
        return [batch for batch in open_batches if batch.state == state]

    sending = row.status == "sending"
    patience = at_hand.retry_patience
    return {
        "status": row.status,
        "lane": row.priority,
        "own_rate": row.rate,
        "speed": pace.settled_lately / pace.lately if sending and pace.lately else None,
        "scheduled_at": row.scheduled_at,
        "stopped": row.stopped,
        "stop": f"{who} stopped everything{f' ({why})' if why else ''}." if who else None,
        "total": row.total,
        "pending": row.pending,
        "planned_out": row.planned_at is not None,
        "step_age": row.step_age or 0.0,
        "batches": {batch.state: sum(same.n for same in all_of(batch.state)) for batch in open_batches},
        "next_publish_in": min((batch.first_due_in for batch in all_of("planned")), default=None),
        # A waiting batch is looked for that long after its retry was due.
        "next_retry_in": min((batch.first_due_in - patience for batch in all_of("waiting")), default=None),
        "last_retry_in": max((batch.last_due_in - patience for batch in all_of("waiting")), default=None),
        "report_age": max((batch.oldest for batch in all_of("reported")), default=0.0),
        "lease_ends_in": max((batch.lease_ends_in for batch in all_of("claimed")), default=None),
        "expired": bool(row.expired),
        "commands_wait": await commands_wait(tx),
        "others": row.others,
        "projects": tuple(_project(project, open_batches, at_hand.ramp) for project in projects),
    }


def _project(row: Row[Any], open_batches: Any, ramp: float) -> ProjectFacts:
    bent = throttle.Throttle(row.rate, row.ramp_from, row.cut_rate, row.cut_at)
    return ProjectFacts(
        id=row.id,
        open=sum(batch.n for batch in open_batches if batch.project_id == row.id),
        quota=row.rate,
        rate=throttle.rate_in_force(bent, now=row.now, ramp=ramp),
        booked_ahead=max(0.0, row.tat - row.now),
        paused_for=max(0.0, row.paused_until - row.now),
        circuit=row.circuit_reason,
        probe_in=row.circuit_probe_at - row.now,
        platforms={name: entry["reason"] for name, entry in row.stopped_platforms.items()},
    )


async def _depth(at_hand: Resources, queue: str, missing: set[str], hidden: set[str]) -> Depth | None:
    try:
        async with asyncio.timeout(ASK):
            return await at_hand.of(BrokerView).depth(queue)
    except QueueMissingError:
        missing.add(queue)
        return None
    except LookRefusedError:
        hidden.add(queue)
        return None
    except (BrokerUnavailableError, TimeoutError):
        return None
