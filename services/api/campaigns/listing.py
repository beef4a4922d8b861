"""`GET /v1/campaigns`: which campaigns there are."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.api.access.roles import Viewer
from services.api.campaigns import progress, store
from services.api.campaigns.schemas import Kind, Status
from services.api.http.cursor import Cursor, encode_cursor, page_before
from services.api.http.problems import EVERYWHERE
from services.api.resources import resources
from shared.contracts.messages import LaneName
from shared.contracts.numbers import MAX_ID

router = APIRouter(prefix="/v1/campaigns", tags=["campaigns"], responses=EVERYWHERE)

MAX_SEARCH = 100
TEXT = r"^[^\x00]*$"
"""PostgreSQL's text holds no NUL."""


class CampaignPage(BaseModel):
    """A page of campaigns, the newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [progress.EXAMPLE], "next_cursor": None}]})

    items: list[progress.Progress]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last")


class Filters(BaseModel):
    """Which campaigns; all that are given must hold."""

    model_config = ConfigDict(extra="forbid")

    status: list[Status] = Field([], max_length=8, description="One of these; may be given several times")
    kind: list[Kind] = Field(["campaign"], max_length=3, description="Tests and dry runs only when asked for")
    priority: LaneName | None = None
    parent_id: int | None = Field(None, ge=1, le=MAX_ID, description="What came of this campaign")
    created_by: str | None = Field(None, max_length=256, pattern=TEXT)
    created_since: AwareDatetime | None = Field(None, description="Created then or later")
    created_until: AwareDatetime | None = Field(None, description="Created before")
    search: str | None = Field(
        None, min_length=1, max_length=MAX_SEARCH, pattern=TEXT, description="Part of the title or the body"
    )
    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=64, description="`next_cursor` of the page before")


@router.get("")
async def list_campaigns(request: Request, _: Viewer, wanted: Annotated[Filters, Query()]) -> CampaignPage:
    """List campaigns, the newest first; by status, priority, origin, time and words."""
    values = _values(wanted)
    async with resources(request).database.read() as tx:
        rows = await store.page(tx, values)
    items = [progress.Progress.of(row) for row in rows[: wanted.limit]]
    return CampaignPage(
        items=items,
        next_cursor=encode_cursor(Cursor(items[-1].campaign_id)) if len(rows) > wanted.limit else None,
    )


def _values(wanted: Filters) -> dict[str, Any]:
    return {
        "before": page_before(wanted.cursor),
        "statuses": wanted.status or None,
        "kinds": wanted.kind or None,
        "priority": wanted.priority,
        "parent_id": wanted.parent_id,
        "created_by": wanted.created_by,
        "since": wanted.created_since,
        "until": wanted.created_until,
        "search": contains(wanted.search) if wanted.search else None,
        "limit": wanted.limit + 1,
    }


def contains(words: str) -> str:
    """A pattern of LIKE for text that contains the words as they are.

    >>> contains("20% off!")
    '%20!% off!!%'
    """
    escaped = words.replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return f"%{escaped}%"
