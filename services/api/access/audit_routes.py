"""`/v1/audit`: every change, who made it, and what was before and after."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import text

from services.api.access.roles import Admin, Role
from services.api.http.cursor import (
    PageCursor,
    PageLimit,
    next_cursor,
    page_before,
)
from services.api.http.problems import UNAUTHORIZED, documented
from services.api.resources import resources
from shared.contracts.numbers import MAX_ID

router = APIRouter(prefix="/v1/audit", tags=["keys"], responses=documented(UNAUTHORIZED))

PAGE = text("""
    select id, at, key_id, key_name, role, method, route, resource, request_id, before, after
      from audit_log
     where id < :before_id
       and (cast(:resource as text) is null or resource = :resource)
       and (cast(:key_id as bigint) is null or key_id = :key_id)
       and (cast(:since as timestamptz) is null or at >= :since)
       and (cast(:until as timestamptz) is null or at < :until)
     order by id desc limit :limit
""")

EXAMPLE: dict[str, Any] = {
    "id": 91,
    "at": "2026-11-22T09:00:00Z",
    "key_id": 3,
    "key_name": "night shift",
    "role": "operator",
    "method": "POST",
    "route": "/v1/campaigns/{campaign_id}/pause",
    "resource": "campaigns/7",
    "request_id": "4f1c",
    "before": {"status": "sending"},
    "after": {"status": "paused"},
}


class AuditEntry(BaseModel):
    """One change."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: int
    at: datetime
    key_id: int = Field(description="0 is the operator key of the environment")
    key_name: str
    role: Role
    method: str
    route: str
    resource: str = Field(description="What was changed, as its address below /v1")
    request_id: str = Field(description="The request, as logs and messages name it")
    before: dict[str, Any] | None = Field(description="What it was, where that is known; null for what is new")
    after: dict[str, Any] | None = Field(description="What it became; null for what is gone")


class AuditPage(BaseModel):
    """A page of changes, the newest first."""

    items: list[AuditEntry]
    next_cursor: str | None


@router.get("")
async def list_changes(
    request: Request,
    _: Admin,
    resource: Annotated[
        str | None, Query(max_length=500, pattern=r"^[^\x00]*$", description="Only of this, such as campaigns/7")
    ] = None,
    key_id: Annotated[int | None, Query(ge=0, le=MAX_ID, description="Only by this key")] = None,
    since: Annotated[AwareDatetime | None, Query(description="From this moment on")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Before this moment")] = None,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> AuditPage:
    """List changes, the newest first. Registering devices is told import by import, not device by device."""
    values = {"resource": resource, "key_id": key_id, "since": since, "until": until}
    async with resources(request).database.read() as tx:
        rows = await tx.all(PAGE, {**values, "before_id": page_before(cursor), "limit": limit + 1})
    return AuditPage(
        items=[AuditEntry.model_validate(row, from_attributes=True) for row in rows[:limit]],
        next_cursor=next_cursor(rows, limit),
    )
