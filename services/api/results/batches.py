"""`GET /v1/campaigns/{id}/batches`: the ledger's rows."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.engine import Row

from services.api.access.roles import Viewer
from services.api.campaigns import queries as campaigns
from services.api.campaigns.parameters import CampaignId
from services.api.campaigns.progress import Outcomes
from services.api.campaigns.states import found_with_ledger
from services.api.http.cursor import (
    Cursor,
    PageCursor,
    decode_cursor,
    encode_cursor,
)
from services.api.http.problems import EVERYWHERE, LEDGER_DELETED, NO_CAMPAIGN, documented
from services.api.resources import resources
from services.api.results import store
from shared.contracts.messages import LaneName
from shared.ledger.letters import NAMES

router = APIRouter(prefix="/v1/campaigns", tags=["results"], responses=EVERYWHERE)

State = Literal["planned", "queued", "claimed", "waiting", "reported", "finished"]
EXAMPLE: dict[str, Any] = {
    "batch_no": 0,
    "lane": "high",
    "project": "default",
    "state": "finished",
    "size": 500,
    "epoch": 2,
    "attempt": 1,
    "lost": 0,
    "doubt": False,
    "since": "2026-11-22T09:00:02Z",
    "due_at": None,
    "finished_at": "2026-11-22T09:00:02Z",
    "outcomes": {**dict.fromkeys(NAMES.values(), 0), "unregistered": 4, "accepted": 496},
}


class Batch(BaseModel):
    """Up to 500 devices of a campaign that travel together."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    batch_no: int
    lane: LaneName
    project: str
    state: State
    size: int
    epoch: int = Field(
        description="Times that it was released, given back, moved, lost or ended; older messages do nothing"
    )
    attempt: int = Field(description="Attempts that cost its devices one")
    lost: int = Field(description="Leases that were lost over it")
    doubt: bool = Field(description="Something of it may have been sent without anybody knowing")
    since: datetime = Field(description="When it came into its state")
    due_at: datetime | None = Field(description="From when it is looked after if nothing moves it; null when finished")
    finished_at: datetime | None
    outcomes: Outcomes

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Read the ledger's row."""
        columns = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
        counts = {name: row.outcomes.count(letter) for letter, name in NAMES.items()}
        due_at = None if row.state == "finished" else row.due_at
        return cls.model_validate({**columns, "outcomes": counts, "due_at": due_at})


class BatchPage(BaseModel):
    """A page of batches, in their order."""

    items: list[Batch]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last")


@router.get("/{campaign_id}/batches", responses=documented(NO_CAMPAIGN, LEDGER_DELETED))
async def list_batches(
    request: Request,
    _: Viewer,
    campaign_id: CampaignId,
    state: State | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: PageCursor = None,
) -> BatchPage:
    """List a campaign's batches in their order, as the ledger has them."""
    # A cursor begins at 1, batches at 0.
    after = decode_cursor(cursor).before - 1 if cursor else -1
    async with resources(request).database.read() as tx:
        found_with_ledger(await campaigns.campaign(tx, campaign_id), campaign_id)
        rows = await store.batches(tx, campaign_id, after=min(after, 2**31 - 1), state=state, limit=limit + 1)
    items = [Batch.of(row) for row in rows[:limit]]
    return BatchPage(
        items=items, next_cursor=encode_cursor(Cursor(items[-1].batch_no + 1)) if len(rows) > limit else None
    )
