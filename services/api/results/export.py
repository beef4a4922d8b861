"""`GET /v1/campaigns/{id}/export`: a line for each device.

PostgreSQL writes the lines, some batches at a time in a transaction of their own; here they only pass through. So a
million of them take flat memory, hold no connection while the client reads, and leave the loop to other requests.
"""

from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from services.api.access.roles import Viewer
from services.api.campaigns import queries as campaigns
from services.api.campaigns.parameters import CampaignId
from services.api.campaigns.states import found
from services.api.http.problems import EVERYWHERE, NO_CAMPAIGN, documented
from services.api.resources import Resources, resources
from services.api.results import store
from shared.errors import CarillonError, UnavailableError
from shared.ledger.follow_up import LETTERS

router = APIRouter(prefix="/v1/campaigns", tags=["results"], responses=EVERYWHERE)

BATCHES = 10
"""Batches in one look: 5,000 devices, half a megabyte of lines, 30 ms of PostgreSQL."""


class CutShortError(CarillonError):
    """Raised when an export that has begun cannot go on: the connection ends without its final chunk."""


Format = Literal["ndjson", "csv"]
MEDIA: dict[Format, str] = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
HEADER = b"device_id,user_id,platform,outcome,code\r\n"
OutcomeName = Literal[
    "pending", "skipped", "cancelled", "expired", "dead", "unknown", "rejected", "unregistered", "accepted"
]

EXPORTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A line for each device, in the order of the batches",
        "content": {
            "application/x-ndjson": {
                "schema": {"type": "string"},
                "example": '{"device_id":42,"user_id":"u-1","platform":"android","outcome":"accepted","code":null}\n',
            },
            "text/csv": {
                "schema": {"type": "string"},
                "example": 'device_id,user_id,platform,outcome,code\r\n42,"user-1",android,accepted,""\r\n',
            },
        },
    }
}


@router.get(
    "/{campaign_id}/export",
    response_class=StreamingResponse,
    responses={**EXPORTED, **documented(NO_CAMPAIGN)},
)
async def export_outcomes(
    request: Request,
    _: Viewer,
    campaign_id: CampaignId,
    format: Format = "ndjson",  # noqa: A002 - the parameter's name in the API
    outcome: Annotated[
        list[OutcomeName] | None, Query(max_length=9, description="Only these; may be given several times")
    ] = None,
) -> Response:
    """Stream what became of every device: its number, user, platform, outcome and code. Targets are not in it.

    Of a campaign under way it is a look from batch to batch, so not of one moment. A connection that ends without the
    final chunk was cut short: what came so far is right, and not all.
    """
    at_hand = resources(request)
    async with at_hand.database.read() as tx:
        found(await campaigns.campaign(tx, campaign_id), campaign_id)
    letters = [LETTERS[name] for name in outcome] if outcome else None
    return StreamingResponse(
        _lines(at_hand, campaign_id, csv=format == "csv", letters=letters),
        headers={
            "Content-Type": MEDIA[format],
            "Content-Disposition": f'attachment; filename="campaign-{campaign_id}.{format}"',
        },
    )


async def _lines(
    at_hand: Resources, campaign_id: int, *, csv: bool, letters: list[str] | None
) -> AsyncGenerator[bytes]:
    if csv:
        yield HEADER
    after = -1
    while True:
        if at_hand.draining.is_set():
            raise CutShortError("The API is shutting down.")
        try:
            async with at_hand.database.read() as tx:
                rows = await store.export_page(tx, campaign_id, csv=csv, letters=letters, after=after, batches_=BATCHES)
        except UnavailableError as error:
            raise CutShortError(f"PostgreSQL could not be reached: {error}") from error
        for row in rows:
            if row.lines:
                yield row.lines.encode()
        if len(rows) < BATCHES:
            return
        after = rows[-1].batch_no
