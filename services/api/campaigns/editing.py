"""`PATCH`, `DELETE` and `clone` of a campaign."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Request, Response
from pydantic import JsonValue
from sqlalchemy.engine import Row

from services.api.access.audit import audit
from services.api.access.roles import Operator
from services.api.audiences.checking import check_audience
from services.api.campaigns import queries as campaigns
from services.api.campaigns import store
from services.api.campaigns.copying import rewritten, version, written
from services.api.campaigns.parameters import CampaignId
from services.api.campaigns.schemas import Campaign, NewCampaign
from services.api.campaigns.states import (
    UNDER_WAY,
    UNSENT,
    found,
    refuse,
    refuse_state,
)
from services.api.http.content_type import is_json
from services.api.http.etags import check_if_match, set_etag
from services.api.http.problems import (
    CHANGED_MEANWHILE,
    EVERYWHERE,
    MALFORMED,
    MEDIA,
    NO_CAMPAIGN,
    NO_PRECONDITION,
    TOO_LARGE,
    WRONG_STATE,
    documented,
)
from services.api.resources import resources
from shared.db import Reader, Writer
from shared.ledger.steering import Course, steer
from shared.topology import Lane

router = APIRouter(prefix="/v1/campaigns", tags=["campaigns"], responses=EVERYWHERE)

Patch = dict[str, JsonValue]
LIVE = frozenset({"rate", "priority"})
"""What may change while a campaign is under way."""
IfMatch = Annotated[
    str | None, Header(alias="If-Match", description="The ETag of the campaign as it was read, or `*`", max_length=500)
]
PATCHES: dict[str, Any] = {
    "words": {"summary": "Other words", "value": {"title": "주말 특가 연장", "data": {"screen": "sale", "old": None}}},
    "course": {"summary": "Slower, while it is sending", "value": {"rate": 500, "priority": "low"}},
}


@router.patch(
    "/{campaign_id}",
    dependencies=[is_json],
    responses=documented(MALFORMED, TOO_LARGE, MEDIA, NO_CAMPAIGN, WRONG_STATE, CHANGED_MEANWHILE, NO_PRECONDITION),
)
async def change_campaign(
    request: Request,
    response: Response,
    _: Operator,
    campaign_id: CampaignId,
    patch: Annotated[Patch, Body(openapi_examples=PATCHES)],
    _if_match: IfMatch = None,
) -> Campaign:
    """Change a campaign by a JSON merge patch (RFC 7396): what is given replaces, null resets to the default.

    Everything of a draft or a scheduled campaign; `rate` and `priority` also while it is sending or paused. Another
    rate holds at once. Another priority moves every batch that no sender has taken to the other lane; those that wait
    for a retry come back on the lane they left.
    """

    async def work(tx: Writer) -> Campaign:
        row = found(await store.written(tx, campaign_id), campaign_id)
        if row.status in UNDER_WAY:
            await _steer(tx, request, row, patch)
        else:
            await _rewrite(tx, request, campaign_id, patch)
        after = await _read(tx, campaign_id)
        set_etag(response, version(after))
        return Campaign.of(after)

    changed = await resources(request).database.again(work)
    resources(request).ring()
    return changed


async def _rewrite(tx: Writer, request: Request, campaign_id: int, patch: Patch) -> None:
    row = found(await store.written_locked(tx, campaign_id), campaign_id)
    if row.status not in UNSENT:
        refuse_state(campaign_id, row.status, "edit")
    check_if_match(request, version(row))
    wanted = rewritten(row, patch)
    await check_audience(tx, wanted.audience)
    await store.rewrite(tx, campaign_id, wanted)
    await _enter(tx, request, row, wanted)


async def _steer(tx: Writer, request: Request, row: Row[Any], patch: Patch) -> None:
    """Batches are locked before the campaign's row, so it is not held from here on but asked for its revision."""
    if not patch.keys() <= LIVE:
        refuse_state(row.id, row.status, "edit")
    check_if_match(request, version(row))
    wanted = rewritten(row, patch)
    before = Course(row.rate, Lane(row.priority))
    after = Course(wanted.rate, Lane(wanted.priority))
    if after == before:
        return
    if not await steer(tx, row.id, before=before, after=after, revision=row.revision):
        now = found(await store.written(tx, row.id), row.id)
        check_if_match(request, version(now))
        refuse_state(row.id, now.status, "steer")
    await _enter(tx, request, row, wanted)


async def _enter(tx: Writer, request: Request, row: Row[Any], wanted: NewCampaign) -> None:
    """Keep in the audit log what is different."""
    before = written(row)
    after = wanted.model_dump(mode="json", by_alias=True, exclude_none=True)
    names = [name for name in before | after if before.get(name) != after.get(name)]
    await audit(
        tx,
        request,
        f"campaigns/{row.id}",
        before={name: before.get(name) for name in names},
        after={name: after.get(name) for name in names},
    )


@router.delete("/{campaign_id}", status_code=204, responses=documented(NO_CAMPAIGN, WRONG_STATE, CHANGED_MEANWHILE))
async def delete_campaign(request: Request, _: Operator, campaign_id: CampaignId, _if_match: IfMatch = None) -> None:
    """Delete a draft. What was ever sent stays; a scheduled campaign is unscheduled first, or cancelled."""
    async with resources(request).database.write() as tx:
        row = found(await store.written_locked(tx, campaign_id), campaign_id)
        check_if_match(request, version(row), required=False)
        if not await store.delete_draft(tx, campaign_id):
            await refuse(tx, campaign_id, "delete")
        await audit(tx, request, f"campaigns/{campaign_id}", before=written(row))


@router.post("/{campaign_id}/clone", status_code=201, responses=documented(MALFORMED, TOO_LARGE, MEDIA, NO_CAMPAIGN))
async def clone_campaign(
    request: Request,
    response: Response,
    operator: Operator,
    campaign_id: CampaignId,
    patch: Annotated[Patch | None, Body(openapi_examples=PATCHES)] = None,
) -> Campaign:
    """Create a draft like this campaign, whatever its state; a merge patch in the body says what is different."""
    async with resources(request).database.write() as tx:
        row = found(await store.written(tx, campaign_id), campaign_id)
        wanted = rewritten(row, patch or {})
        await check_audience(tx, wanted.audience)
        clone_id = await store.add(tx, wanted, by=operator.name, parent_id=campaign_id)
        await audit(tx, request, f"campaigns/{clone_id}", after=wanted.model_dump(mode="json", exclude_none=True))
        created = await _read(tx, clone_id)
    response.headers["Location"] = f"/v1/campaigns/{clone_id}"
    set_etag(response, version(created))
    return Campaign.of(created)


async def _read(tx: Reader, campaign_id: int) -> Row[Any]:
    row: Row[Any] = found(await campaigns.campaign(tx, campaign_id), campaign_id)
    return row
