"""`test` and `dry-run`: a campaign tried on one user or device, or on a sample that FCM only validates.

Both are campaigns of their own, with their own ledger, that go the whole way: lane, quota, sender, FCM, aggregator.
They take the high lane, since somebody waits, and carry the message as it is. A dry run's answers are its letters; it
has one attempt, deactivates no token, and FCM delivers nothing of it.
"""

from typing import Annotated, Any, Self

from fastapi import APIRouter, Body, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy.engine import Row

from services.api.access.audit import audit
from services.api.access.roles import Operator
from services.api.audiences.schemas import MAX_DEVICES
from services.api.campaigns import store
from services.api.campaigns.copying import rewritten
from services.api.campaigns.parameters import CampaignId
from services.api.campaigns.sampling import sample
from services.api.campaigns.schemas import StateChange
from services.api.campaigns.states import found, refuse
from services.api.devices.lines import UserId
from services.api.http.content_type import is_json
from services.api.http.problems import (
    EVERYWHERE,
    MALFORMED,
    MEDIA,
    NO_CAMPAIGN,
    STOPPED,
    TOO_LARGE,
    documented,
)
from services.api.resources import resources
from shared.contracts.numbers import MAX_ID, WHOLE
from shared.contracts.platforms import Shape
from shared.db import Writer
from shared.ledger import campaigns as ledger
from shared.topology import Lane

router = APIRouter(prefix="/v1/campaigns", tags=["campaigns"], responses=EVERYWHERE)

EXAMPLES: dict[str, Any] = {
    "user": {"summary": "Every device of a user", "value": {"user_id": "user-1"}},
    "device": {"summary": "One device", "value": {"device_id": 42}},
}


class TestTarget(Shape):
    """One user, or one device."""

    user_id: UserId | None = None
    device_id: Annotated[int, Field(ge=1, le=MAX_ID, strict=True), WHOLE] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.user_id is None) == (self.device_id is None):
            raise PydanticCustomError("one_of", "give either user_id or device_id")
        return self

    def audience(self) -> dict[str, Any]:
        """The same as a campaign's audience."""
        if self.user_id is not None:
            return {"kind": "users", "user_ids": [self.user_id]}
        return {"kind": "devices", "device_ids": [self.device_id]}


class DryRunSample(Shape):
    """How many devices of the campaign's audience."""

    sample: Annotated[int, Field(ge=1, le=MAX_DEVICES, strict=True), WHOLE] = 100


@router.post(
    "/{campaign_id}/test",
    status_code=202,
    dependencies=[is_json],
    responses=documented(MALFORMED, TOO_LARGE, MEDIA, NO_CAMPAIGN, STOPPED),
)
async def test_campaign(
    request: Request,
    response: Response,
    operator: Operator,
    campaign_id: CampaignId,
    whom: Annotated[TestTarget, Body(openapi_examples=EXAMPLES)],
) -> StateChange:
    """Send the campaign's message to one user or device now, whatever the campaign's state.

    The answer names a campaign of its own, of kind `test`, whose stats tell what became of it.
    """

    async def work(tx: Writer) -> StateChange:
        row = found(await store.written(tx, campaign_id), campaign_id)
        await _check_usable(tx, whom)
        return await _try(tx, request, row, "test", whom.audience(), by=operator.name)

    return await _done(request, response, await resources(request).database.again(work))


@router.post(
    "/{campaign_id}/dry-run",
    status_code=202,
    responses=documented(MALFORMED, TOO_LARGE, MEDIA, NO_CAMPAIGN, STOPPED),
)
async def dry_run_campaign(
    request: Request,
    response: Response,
    operator: Operator,
    campaign_id: CampaignId,
    wanted: Annotated[DryRunSample | None, Body(openapi_examples={"few": {"value": {"sample": 100}}})] = None,
) -> StateChange:
    """Let FCM validate the campaign's message for a random sample of its audience; nothing is delivered.

    The answer names a campaign of its own, of kind `dry_run`: `accepted` is what FCM would take, the other outcomes
    and its failures say what it would not. An empty audience completes at once.
    """
    size = (wanted or DryRunSample()).sample

    async def work(tx: Writer) -> StateChange:
        row = found(await store.written(tx, campaign_id), campaign_id)
        ids = await sample(tx, row.audience, size)
        audience = {"kind": "devices", "device_ids": ids}
        return await _try(tx, request, row, "dry_run", audience, by=operator.name, max_attempts=1)

    return await _done(request, response, await resources(request).database.again(work))


async def _check_usable(tx: Writer, whom: TestTarget) -> None:
    name = "user_id" if whom.user_id is not None else "device_id"
    if whom.user_id is not None:
        usable = await store.usable_user(tx, whom.user_id)
    else:
        usable = await store.usable_device(tx, whom.device_id or 0)
    if not usable:
        fault = {"loc": ("body", name), "type": "no_device", "msg": "no active device is registered under it"}
        raise RequestValidationError([fault], body=whom.model_dump())


async def _try(
    tx: Writer, request: Request, row: Row[Any], kind: str, audience: dict[str, Any], *, by: str, **changes: Any
) -> StateChange:
    wanted = rewritten(row, {"audience": audience, "rate": None})
    tried = await store.add(tx, wanted, by=by, parent_id=row.id, kind=kind, priority=Lane.HIGH.value, **changes)
    sent = await ledger.send(tx, tried)
    if sent is None:
        await refuse(tx, tried, "send")
    await audit(tx, request, f"campaigns/{tried}", after={"kind": kind, "parent_id": row.id, "audience": audience})
    return StateChange(
        id=sent.id, status=sent.status, priority=sent.priority, queue=Lane(sent.priority).queue, deadline=sent.deadline
    )


async def _done(request: Request, response: Response, changed: StateChange) -> StateChange:
    resources(request).ring()
    response.headers["Location"] = f"/v1/campaigns/{changed.id}"
    return changed
