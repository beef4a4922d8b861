"""`/v1/campaigns`: create, read, send, pause, resume, cancel, follow. What else can be done to one is in `steering`."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel

from services.api.access.audit import audit
from services.api.access.roles import Operator, Viewer
from services.api.audiences.checking import check_audience
from services.api.audiences.schemas import ChosenUsers
from services.api.campaigns import progress, queries, schemas, store
from services.api.campaigns.copying import version
from services.api.campaigns.parameters import CampaignId
from services.api.campaigns.states import found, refuse
from services.api.http.content_type import is_json
from services.api.http.etags import set_etag
from services.api.http.problems import (
    EVERYWHERE,
    MALFORMED,
    MEDIA,
    NO_CAMPAIGN,
    STOPPED,
    TOO_LARGE,
    WRONG_STATE,
    documented,
)
from services.api.resources import resources
from shared.db import Writer
from shared.ledger import campaigns as ledger
from shared.topology import Lane

router = APIRouter(prefix="/v1/campaigns", tags=["campaigns"], responses=EVERYWHERE)

Transition = Callable[[Writer, int], Awaitable[ledger.Changed | None]]

MAX_ACTIVE = 500
"""Campaigns under way that are listed: more than the planner could take turns with."""


class ActiveCampaigns(BaseModel):
    """Campaigns under way, the newest first."""

    items: list[progress.Progress]


@router.post("", status_code=201, dependencies=[is_json], responses=documented(MALFORMED, TOO_LARGE, MEDIA))
async def create_campaign(
    request: Request,
    response: Response,
    operator: Operator,
    wanted: Annotated[
        schemas.NewCampaign,
        Body(
            openapi_examples={
                "everyone": {"summary": "To every device", "value": schemas.EXAMPLE},
                "users": {"summary": "To some users, never twice", "value": schemas.EXAMPLE_USERS},
            }
        ),
    ],
) -> schemas.Campaign:
    """Create a draft. Nothing is sent before `POST /v1/campaigns/{campaign_id}/send`.

    Users without an active device are taken and told in `audience.unknown_users`.
    """
    async with resources(request).database.write() as tx:
        await check_audience(tx, wanted.audience)
        campaign_id = await store.create_campaign(tx, wanted.row(operator.name))
        unknown = None
        if isinstance(wanted.audience, ChosenUsers):
            unknown = await store.unknown_users(tx, wanted.audience.distinct())
        row = found(await queries.campaign(tx, campaign_id), campaign_id)
        created = schemas.Campaign.of(row, unknown)
        await audit(tx, request, f"campaigns/{campaign_id}", after=wanted.model_dump(mode="json", exclude_none=True))
    response.headers["Location"] = f"/v1/campaigns/{campaign_id}"
    set_etag(response, version(row))
    return created


@router.get("/active")
async def list_active(request: Request, _: Viewer) -> ActiveCampaigns:
    """List the campaigns that are sending, paused or being cancelled."""
    async with resources(request).database.read() as tx:
        return ActiveCampaigns(items=[progress.Progress.of(row) for row in await queries.active(tx, MAX_ACTIVE)])


@router.get("/{campaign_id}", responses=documented(NO_CAMPAIGN))
async def get_campaign(request: Request, response: Response, _: Viewer, campaign_id: CampaignId) -> schemas.Campaign:
    """Read a campaign as it was created, and where it is."""
    async with resources(request).database.read() as tx:
        row = found(await queries.campaign(tx, campaign_id), campaign_id)
    set_etag(response, version(row))
    return schemas.Campaign.of(row)


@router.get("/{campaign_id}/stats", responses=documented(NO_CAMPAIGN))
async def get_stats(request: Request, _: Viewer, campaign_id: CampaignId) -> progress.Stats:
    """Read how far a campaign is: one row of the ledger, so ask as often as you like."""
    async with resources(request).database.read() as tx:
        row = found(await queries.stats(tx, campaign_id), campaign_id)
        return progress.Stats.with_errors(row, await queries.errors(tx, campaign_id))


@router.post("/{campaign_id}/send", status_code=202, responses=documented(NO_CAMPAIGN, WRONG_STATE, STOPPED))
async def send_campaign(request: Request, _: Operator, campaign_id: CampaignId) -> schemas.StateChange:
    """Start a campaign, once. The answer comes when that is committed; planning and sending follow."""
    return await _change(request, campaign_id, "send", ledger.send)


@router.post("/{campaign_id}/pause", responses=documented(NO_CAMPAIGN, WRONG_STATE))
async def pause_campaign(request: Request, _: Operator, campaign_id: CampaignId) -> schemas.StateChange:
    """Stop sending until it is resumed; requests to FCM that are under way are finished."""
    return await _change(request, campaign_id, "pause", ledger.pause)


@router.post("/{campaign_id}/resume", responses=documented(NO_CAMPAIGN, WRONG_STATE))
async def resume_campaign(request: Request, _: Operator, campaign_id: CampaignId) -> schemas.StateChange:
    """Go on from where it was paused."""
    return await _change(request, campaign_id, "resume", ledger.resume)


@router.post("/{campaign_id}/cancel", status_code=202, responses=documented(NO_CAMPAIGN, WRONG_STATE))
async def cancel_campaign(request: Request, _: Operator, campaign_id: CampaignId) -> schemas.StateChange:
    """End a campaign: what was never sent becomes `cancelled`, what was sent keeps its outcome."""
    return await _change(request, campaign_id, "cancel", ledger.cancel)


async def _change(request: Request, campaign_id: int, verb: str, transition: Transition) -> schemas.StateChange:
    at_hand = resources(request)

    async def work(tx: Writer) -> ledger.Changed:
        before = await ledger.status(tx, campaign_id)
        changed = await transition(tx, campaign_id)
        if changed is None:
            await refuse(tx, campaign_id, verb)
        await audit(
            tx, request, f"campaigns/{campaign_id}", before={"status": before}, after={"status": changed.status}
        )
        return changed

    changed = await at_hand.database.again(work)
    at_hand.ring()
    return schemas.StateChange(
        id=changed.id,
        status=changed.status,
        priority=changed.priority,
        queue=Lane(changed.priority).queue,
        deadline=changed.deadline,
    )
