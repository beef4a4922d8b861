"""`GET /v1/campaigns/{id}/failures`: what failed, by code and platform."""

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from services.api.access.roles import Viewer
from services.api.campaigns import queries as campaigns
from services.api.campaigns.parameters import CampaignId
from services.api.campaigns.states import found_with_ledger
from services.api.http.problems import EVERYWHERE, LEDGER_DELETED, NO_CAMPAIGN, documented
from services.api.resources import resources
from services.api.results import store

router = APIRouter(prefix="/v1/campaigns", tags=["results"], responses=EVERYWHERE)

EXAMPLE: dict[str, Any] = {
    "items": [
        {
            "outcome": "unregistered",
            "code": "UNREGISTERED",
            "platform": "android",
            "count": 412,
            "sample": "Requested entity was not found.",
        }
    ]
}


class FailureGroup(BaseModel):
    """Devices that failed alike."""

    outcome: Literal["expired", "dead", "unknown", "rejected", "unregistered"]
    code: str | None = Field(description="FCM's code, or ours when nobody answered; null where nothing was sent")
    platform: str | None = Field(description="null for devices that were deleted meanwhile")
    count: int
    sample: str | None = Field(description="One of the answers with this code")


class FailurePage(BaseModel):
    """Failures, the most frequent first."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    items: list[FailureGroup]


@router.get("/{campaign_id}/failures", responses=documented(NO_CAMPAIGN, LEDGER_DELETED))
async def list_failures(request: Request, _: Viewer, campaign_id: CampaignId) -> FailurePage:
    """Count a campaign's failed devices by outcome, code and platform.

    Looked up device by device, so a campaign of which a million failed takes seconds; `errors` of its stats is instant.
    """
    at_hand = resources(request)
    async with at_hand.estimate_gate, at_hand.database.read() as tx:
        found_with_ledger(await campaigns.campaign(tx, campaign_id), campaign_id)
        rows = await store.failures(tx, campaign_id)
        samples = await store.samples(tx, campaign_id)
    return FailurePage(
        items=[
            FailureGroup(
                outcome=row.outcome,
                code=row.code,
                platform=row.platform,
                count=row.count,
                sample=samples.get(row.code) if row.code else None,
            )
            for row in rows
        ]
    )
