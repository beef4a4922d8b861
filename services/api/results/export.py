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
from services.api.campaigns.states import found_with_ledger
from services.api.http.encoding import BOM
from services.api.http.problems import EVERYWHERE, INVALID, LEDGER_DELETED, NO_CAMPAIGN, ProblemError, documented
from services.api.resources import Resources, resources
from services.api.results import export_store as store
from services.api.results.export_store import Lines
from shared.errors import CarillonError, UnavailableError
from shared.ledger.follow_up import LETTERS

router = APIRouter(prefix="/v1/campaigns", tags=["results"], responses=EVERYWHERE)

BATCHES = 10
"""Batches in one look: 5,000 devices, half a megabyte of lines, 30 ms of PostgreSQL."""


class CutShortError(CarillonError):
    """Raised when an export that has begun cannot go on: the connection ends without its final chunk."""


Format = Literal["ndjson", "csv"]
MEDIA: dict[Format, str] = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
HEADER = b"device_id,user_id,platform,outcome,code,at,message\r\n"
OutcomeName = Literal[
    "pending", "skipped", "cancelled", "expired", "dead", "unknown", "rejected", "unregistered", "accepted"
]

EXPORTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A line for each device, in the order of the batches",
        "content": {
            "application/x-ndjson": {
                "schema": {"type": "string"},
                "example": '{"device_id":42,"user_id":"u-1","platform":"android","outcome":"accepted","code":null,'
                '"at":"2026-11-22T09:00:02.118Z","message":null}\n',
            },
            "text/csv": {
                "schema": {"type": "string"},
                "example": "device_id,user_id,platform,outcome,code,at,message\r\n"
                '42,"user-1",android,accepted,"",2026-11-22T09:00:02.118Z,""\r\n',
            },
        },
    }
}


@router.get(
    "/{campaign_id}/export",
    response_class=StreamingResponse,
    responses={**EXPORTED, **documented(NO_CAMPAIGN, LEDGER_DELETED)},
)
async def export_outcomes(
    request: Request,
    _: Viewer,
    campaign_id: CampaignId,
    format: Format = "ndjson",  # noqa: A002 - the parameter's name in the API
    outcome: Annotated[
        list[OutcomeName] | None, Query(max_length=9, description="Only these; may be given several times")
    ] = None,
    spreadsheet: Annotated[
        bool,
        Query(
            description="Of CSV: for Excel and others like it. It begins with a byte order mark, and an apostrophe "
            "stands before what would run as a formula there, or lose digits; imports and lists read it back as it was"
        ),
    ] = False,
) -> Response:
    """Stream what became of every device: its number, user, platform, outcome and code, when, and FCM's words.

    `at` is when its batch was finished; `message` is one of FCM's answers with this code. Targets are not in it. CSV is
    for programs: user ids stand in it as they are, and one that begins with `=`, `+`, `-` or `@` runs as a formula in a
    spreadsheet. `spreadsheet=true` makes it safe to open.

    Of a campaign under way it is a look from batch to batch, so not of one moment. A connection that ends without the
    final chunk was cut short: what came so far is right, and not all.
    """
    if spreadsheet and format != "csv":
        raise ProblemError(INVALID, "spreadsheet is for CSV: ask for format=csv too.")
    lines: Lines = "spreadsheet" if spreadsheet else format
    at_hand = resources(request)
    async with at_hand.database.read() as tx:
        found_with_ledger(await campaigns.campaign(tx, campaign_id), campaign_id)
    letters = [LETTERS[name] for name in outcome] if outcome else None
    return StreamingResponse(
        _lines(at_hand, campaign_id, lines=lines, letters=letters),
        headers={
            "Content-Type": MEDIA[format],
            "Content-Disposition": f'attachment; filename="campaign-{campaign_id}.{format}"',
        },
    )


async def _lines(
    at_hand: Resources, campaign_id: int, *, lines: Lines, letters: list[str] | None
) -> AsyncGenerator[bytes]:
    if lines != "ndjson":
        yield (BOM if lines == "spreadsheet" else b"") + HEADER
    after = -1
    while True:
        if at_hand.draining.is_set():
            raise CutShortError("The API is shutting down.")
        try:
            async with at_hand.database.read() as tx:
                rows = await store.export_page(
                    tx, campaign_id, lines=lines, letters=letters, after=after, batches=BATCHES
                )
                if await store.is_deleted(tx, campaign_id):
                    raise CutShortError("The campaign's ledger is deleted meanwhile, after its time.")
        except UnavailableError as error:
            raise CutShortError(f"PostgreSQL could not be reached: {error}") from error
        for row in rows:
            if row.lines:
                yield row.lines.encode()
        if len(rows) < BATCHES:
            return
        after = rows[-1].batch_no
