"""`/v1/events` and `/v1/campaigns/{id}/events`: what happens, as server-sent events."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response, StreamingResponse

from services.api.access.roles import Viewer
from services.api.campaigns import queries as campaigns
from services.api.campaigns.parameters import CampaignId
from services.api.campaigns.states import found
from services.api.http.problems import (
    EVERYWHERE,
    INVALID,
    NO_CAMPAIGN,
    TOO_MANY_STREAMS,
    ProblemError,
    documented,
)
from services.api.resources import Resources, resources
from services.api.results import store
from services.api.results.event_feed import EventFeed
from services.api.results.streaming import (
    EventStream,
    campaign_stream,
    read_place,
    whole_stream,
)
from shared.ledger.states import ENDED

router = APIRouter(prefix="/v1", tags=["events"], responses=EVERYWHERE)

LastEventId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", description="The `id` of the last event that was seen; what follows it comes next"),
]
After = Annotated[
    str | None, Query(max_length=64, description="The same, for clients that cannot set headers; the header counts")
]
EVENT = {
    "type": "object",
    "description": "One event of the stream, by the fields of server-sent events",
    "properties": {
        "id": {"type": "string", "description": "For `Last-Event-ID`"},
        "event": {"type": "string", "description": "Its name, as in `data`"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "campaign_id, campaign_seq, name, at, and `data` of its own",
        },
    },
    "required": ["id", "event", "data"],
}
EXAMPLE = {
    "id": "12",
    "event": "progressed",
    "data": '{"campaign_id": 7, "campaign_seq": 12, "name": "progressed", "at": "2026-11-22T09:00:02+00:00", '
    '"data": {"total": 60000, "outcomes": {"accepted": 40788}}}',
}
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events as they happen, with a comment in every 15 s of silence",
        "content": {"text/event-stream": {"schema": EVENT, "example": EXAMPLE}},
    }
}


@router.get(
    "/campaigns/{campaign_id}/events",
    response_class=StreamingResponse,
    responses={
        **STREAM,
        204: {"description": "The campaign has ended and everything was seen: come back no more"},
        **documented(NO_CAMPAIGN, TOO_MANY_STREAMS),
    },
)
async def follow_campaign(
    request: Request, _: Viewer, campaign_id: CampaignId, last_event_id: LastEventId = None, after: After = None
) -> Response:
    """Stream a campaign's events from its first, or from behind `Last-Event-ID`, without a gap or a repeat.

    The id is `campaign_seq`. The stream ends behind the campaign's final event; whoever comes back then gets 204,
    which tells an EventSource to stay away. It also ends after 15 minutes, and when the API stops: come back.
    """
    at_hand = _with_room(resources(request))
    number = _number(last_event_id, after)
    async with at_hand.database.read() as tx:
        row = found(await campaigns.campaign(tx, campaign_id), campaign_id)
        seen = row.status in ENDED and number >= row.campaign_seq
    if seen:
        return Response(status_code=204)
    return EventStream(campaign_stream(at_hand.database, at_hand.of(EventFeed), campaign_id, number))


@router.get("/events", response_class=StreamingResponse, responses={**STREAM, **documented(TOO_MANY_STREAMS)})
async def follow_everything(
    request: Request, _: Viewer, last_event_id: LastEventId = None, after: After = None
) -> Response:
    """Stream the events of all campaigns from now on, or from behind `Last-Event-ID`, without a gap or a repeat.

    The id is opaque. Two events of one campaign may come in the other order when they happen in the same moment;
    `campaign_seq` tells. The stream ends after 15 minutes, and when the API stops: come back.
    """
    at_hand = _with_room(resources(request))
    text = last_event_id or after
    place = read_place(text) if text else None
    if text and place is None:
        raise _no_id("Last-Event-ID" if last_event_id else "after", "an id of this stream")
    async with at_hand.database.read() as tx:
        since = place or await store.events_end(tx)
    return EventStream(whole_stream(at_hand.database, at_hand.of(EventFeed), since))


def _with_room(at_hand: Resources) -> Resources:
    if at_hand.of(EventFeed).full:
        raise ProblemError(
            TOO_MANY_STREAMS,
            "This process serves as many event streams as CARILLON_EVENT_STREAMS allows. Close one, or wait.",
        )
    return at_hand


def _number(last_event_id: str | None, after: str | None) -> int:
    text = last_event_id or after or "0"
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):  # noqa: PLR2004 - of a bigint's digits
        raise _no_id("Last-Event-ID" if last_event_id else "after", "a campaign_seq: a number")
    return int(text)


def _no_id(parameter: str, what: str) -> ProblemError:
    return ProblemError(
        INVALID,
        f"{parameter}: this is not {what}. Leave it away to begin anew.",
        errors=[{"parameter": parameter, "detail": f"not {what}", "code": "event_id"}],
    )
