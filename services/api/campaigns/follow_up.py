"""Following up: a new campaign over what became of a finished one's devices; its own ledger is never reopened."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response
from pydantic import Field, JsonValue

from services.api.access.audit import audit
from services.api.access.roles import Operator
from services.api.audiences.checking import check_follow_up
from services.api.audiences.schemas import Outcome
from services.api.campaigns import queries as campaigns
from services.api.campaigns import store
from services.api.campaigns.copying import rewritten, version
from services.api.campaigns.parameters import CampaignId
from services.api.campaigns.schemas import Campaign
from services.api.campaigns.states import found, refuse_state
from services.api.http.content_type import is_json
from services.api.http.etags import set_etag
from services.api.http.problems import (
    EVERYWHERE,
    MALFORMED,
    MEDIA,
    NO_CAMPAIGN,
    TOO_LARGE,
    WRONG_STATE,
    documented,
)
from services.api.resources import resources
from shared.contracts.platforms import Shape
from shared.ledger.states import ENDED

router = APIRouter(prefix="/v1/campaigns", tags=["campaigns"], responses=EVERYWHERE)

EXAMPLES: dict[str, Any] = {
    "unreached": {"summary": "Who may not have got it", "value": {"outcomes": ["dead", "unknown", "expired"]}},
    "reached": {
        "summary": "Who got it, with other words",
        "value": {"outcomes": ["accepted"], "changes": {"title": "Last hours", "priority": "low"}},
    },
}


class NewFollowUp(Shape):
    """Which devices of the finished campaign, and what is different this time."""

    outcomes: Annotated[list[Outcome], Field(min_length=1, max_length=8)]
    changes: dict[str, JsonValue] = Field({}, description="A merge patch over what was written of the campaign")


@router.post(
    "/{campaign_id}/follow-up",
    status_code=201,
    dependencies=[is_json],
    responses=documented(MALFORMED, TOO_LARGE, MEDIA, NO_CAMPAIGN, WRONG_STATE),
)
async def follow_up_campaign(
    request: Request,
    response: Response,
    operator: Operator,
    campaign_id: CampaignId,
    wanted: Annotated[NewFollowUp, Body(openapi_examples=EXAMPLES)],
) -> Campaign:
    """Create a draft like a finished campaign, for its devices with some of the outcomes.

    The devices are looked up in the finished campaign's ledger when the draft is planned; those that have become
    inactive are none of the audience. With `unknown` and `at_least_once` a device may get the push twice.
    """
    async with resources(request).database.write() as tx:
        row = found(await store.written(tx, campaign_id), campaign_id)
        if row.status not in ENDED:
            refuse_state(campaign_id, row.status, "follow-up")
        audience = {"kind": "follow_up", "campaign_id": campaign_id, "outcomes": wanted.outcomes}
        followed = rewritten(row, {**wanted.changes, "audience": audience})
        await check_follow_up(tx, followed.audience)
        draft_id = await store.add(tx, followed, by=operator.name, parent_id=campaign_id)
        await audit(tx, request, f"campaigns/{draft_id}", after=followed.model_dump(mode="json", exclude_none=True))
        created = found(await campaigns.campaign(tx, draft_id), draft_id)
    response.headers["Location"] = f"/v1/campaigns/{draft_id}"
    set_etag(response, version(created))
    return Campaign.of(created)
