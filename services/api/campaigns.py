"""`/v1/campaigns`: create, read, send, pause, resume, cancel, follow."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field

from services.api import schemas, stats, store
from services.api.cursor import Cursor, decode_cursor, encode_cursor
from services.api.problems import (
    INTERNAL,
    INVALID,
    MALFORMED,
    MEDIA,
    NO_CAMPAIGN,
    TOO_LARGE,
    UNAUTHORIZED,
    UNAVAILABLE,
    WRONG_STATE,
    ProblemError,
    documented,
)
from services.api.resources import resources
from services.api.security import Operator
from shared.db import Reader, Writer
from shared.ledger import campaigns as ledger
from shared.topology import Lane

router = APIRouter(
    prefix="/v1/campaigns", tags=["campaigns"], responses=documented(UNAUTHORIZED, INVALID, INTERNAL, UNAVAILABLE)
)

CampaignId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The campaign's number")]
Transition = Callable[[Writer, int], Awaitable[ledger.Changed | None]]

POSSIBLE = {
    "draft": ("send", "cancel"),
    "scheduled": ("send", "cancel"),
    "sending": ("pause", "cancel"),
    "paused": ("resume", "cancel"),
}
"""What may be done in each state; nothing in the others."""
MAX_ACTIVE = 500
"""Campaigns under way that are listed: more than the planner could take turns with."""


class Active(BaseModel):
    """Campaigns under way, the newest first."""

    items: list[stats.Progress]


class Listing(BaseModel):
    """A page of campaigns, the newest first."""

    items: list[stats.Progress]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last")


async def is_json(request: Request) -> None:
    """Refuse a body that does not say that it is JSON."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise ProblemError(MEDIA, f"Send the header `Content-Type: application/json`, not {media or 'none'}.")


@router.post("", status_code=201, dependencies=[Depends(is_json)], responses=documented(MALFORMED, TOO_LARGE, MEDIA))
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
        campaign_id = await store.create_campaign(tx, wanted.row(operator.name))
        unknown = None
        if isinstance(wanted.audience, schemas.Users):
            unknown = await store.unknown_users(tx, wanted.audience.distinct())
        created = schemas.Campaign.of(_found(await store.campaign(tx, campaign_id), campaign_id), unknown)
    response.headers["Location"] = f"/v1/campaigns/{campaign_id}"
    return created


@router.get("")
async def list_campaigns(
    request: Request,
    _: Operator,
    status: schemas.Status | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=64, description="`next_cursor` of the page before")] = None,
) -> Listing:
    """List campaigns, the newest first."""
    before = decode_cursor(cursor).before if cursor else 2**63 - 1
    async with resources(request).database.read() as tx:
        rows = await store.page(tx, before=before, status=status, limit=limit + 1)
    items = [stats.Progress.of(row) for row in rows[:limit]]
    return Listing(
        items=items,
        next_cursor=encode_cursor(Cursor(items[-1].campaign_id)) if len(rows) > limit else None,
    )


@router.get("/active")
async def list_active(request: Request, _: Operator) -> Active:
    """List the campaigns that are sending, paused or being cancelled."""
    async with resources(request).database.read() as tx:
        return Active(items=[stats.Progress.of(row) for row in await store.active(tx, MAX_ACTIVE)])


@router.get("/{campaign_id}", responses=documented(NO_CAMPAIGN))
async def get_campaign(request: Request, _: Operator, campaign_id: CampaignId) -> schemas.Campaign:
    """Read a campaign as it was created, and where it is."""
    async with resources(request).database.read() as tx:
        return schemas.Campaign.of(_found(await store.campaign(tx, campaign_id), campaign_id))


@router.get("/{campaign_id}/stats", responses=documented(NO_CAMPAIGN))
async def get_stats(request: Request, _: Operator, campaign_id: CampaignId) -> stats.Stats:
    """Read how far a campaign is: one row of the ledger, so ask as often as you like."""
    async with resources(request).database.read() as tx:
        row = _found(await store.stats(tx, campaign_id), campaign_id)
        return stats.Stats.with_errors(row, await store.errors(tx, campaign_id))


@router.post("/{campaign_id}/send", status_code=202, responses=documented(NO_CAMPAIGN, WRONG_STATE))
async def send_campaign(request: Request, _: Operator, campaign_id: CampaignId) -> schemas.Changed:
    """Start a campaign, once. The answer comes when that is committed; planning and sending follow."""
    return await _change(request, campaign_id, "send", ledger.send)


@router.post("/{campaign_id}/pause", responses=documented(NO_CAMPAIGN, WRONG_STATE))
async def pause_campaign(request: Request, _: Operator, campaign_id: CampaignId) -> schemas.Changed:
    """Stop sending until it is resumed; requests to FCM that are under way are finished."""
    return await _change(request, campaign_id, "pause", ledger.pause)


@router.post("/{campaign_id}/resume", responses=documented(NO_CAMPAIGN, WRONG_STATE))
async def resume_campaign(request: Request, _: Operator, campaign_id: CampaignId) -> schemas.Changed:
    """Go on from where it was paused."""
    return await _change(request, campaign_id, "resume", ledger.resume)


@router.post("/{campaign_id}/cancel", status_code=202, responses=documented(NO_CAMPAIGN, WRONG_STATE))
async def cancel_campaign(request: Request, _: Operator, campaign_id: CampaignId) -> schemas.Changed:
    """End a campaign: what was never sent becomes `cancelled`, what was sent keeps its outcome."""
    return await _change(request, campaign_id, "cancel", ledger.cancel)


async def _change(request: Request, campaign_id: int, verb: str, transition: Transition) -> schemas.Changed:
    found = resources(request)

    async def work(tx: Writer) -> ledger.Changed:
        changed = await transition(tx, campaign_id)
        return changed if changed is not None else await _refuse(tx, campaign_id, verb)

    changed = await found.database.again(work)
    found.ring()
    return schemas.Changed(
        id=changed.id,
        status=changed.status,
        priority=changed.priority,
        queue=Lane(changed.priority).queue,
        deadline=changed.deadline,
    )


async def _refuse(tx: Reader, campaign_id: int, verb: str) -> Any:
    """Say why the ledger did not do it."""
    state = _found(await ledger.status(tx, campaign_id), campaign_id)
    possible = POSSIBLE.get(state, ())
    raise ProblemError(
        WRONG_STATE,
        f"Campaign {campaign_id} is {state}. To {verb} one, it has to be "
        f"{' or '.join(name for name, verbs in POSSIBLE.items() if verb in verbs)}. "
        f"Possible now: {', '.join(possible) or 'nothing but reading'}.",
        state=state,
        possible=list(possible),
    )


def _found(row: Any, campaign_id: int) -> Any:
    if row is None:
        raise ProblemError(NO_CAMPAIGN, f"There is no campaign {campaign_id}. GET /v1/campaigns lists them.")
    return row
