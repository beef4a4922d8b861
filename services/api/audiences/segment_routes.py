"""`/v1/segments`: saved filters."""

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Body, Header, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.engine import Row
from sqlalchemy.exc import IntegrityError

from services.api.access.audit import audit
from services.api.access.roles import Operator, Viewer
from services.api.audiences import segment_store as store
from services.api.http.content_type import is_json
from services.api.http.cursor import (
    PageCursor,
    PageLimit,
    next_cursor,
    page_before,
)
from services.api.http.etags import check_if_match, etag, set_etag
from services.api.http.problems import (
    CHANGED_MEANWHILE,
    EVERYWHERE,
    IN_USE,
    MALFORMED,
    MEDIA,
    NAME_TAKEN,
    NO_PRECONDITION,
    NO_SEGMENT,
    TOO_LARGE,
    ProblemError,
    documented,
)
from services.api.resources import resources
from shared.contracts.numbers import MAX_ID
from shared.contracts.platforms import Shape
from shared.contracts.segments import SegmentFilter, as_json

router = APIRouter(prefix="/v1/segments", tags=["audiences"], responses=EVERYWHERE)

Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
SegmentId = Annotated[int, Path(ge=1, le=MAX_ID, description="The segment's number")]
IfMatch = Annotated[
    str | None, Header(alias="If-Match", description="The ETag of the segment as it was read, or `*`", max_length=500)
]

EXAMPLE: dict[str, Any] = {
    "name": "Pro, lately seen, not Japanese",
    "filter": {
        "all": [
            {"field": "platform", "in": ["android", "ios"]},
            {"field": "last_seen", "within_days": 30},
            {"attribute": "plan", "eq": "pro"},
            {"not": {"field": "locale", "language": ["ja"]}},
        ]
    },
}
EXAMPLE_READ = {
    **EXAMPLE,
    "id": 3,
    "revision": 1,
    "created_by": "operator",
    "created_at": "2026-11-22T09:00:00Z",
    "updated_at": "2026-11-22T09:00:00Z",
}
BODY = Body(openapi_examples={"segment": {"value": EXAMPLE}})


class NewSegment(Shape):
    """A filter with a name."""

    name: Name
    filter: SegmentFilter


class Segment(BaseModel):
    """A saved segment."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_READ]})

    id: int
    name: str
    filter: dict[str, Any]
    revision: int = Field(description="Changes so far, from 1")
    created_by: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Read its row."""
        return cls.model_validate(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping


class Segments(BaseModel):
    """A page of segments, the newest first."""

    items: list[Segment]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last")


@router.post("", status_code=201, dependencies=[is_json], responses=documented(MALFORMED, TOO_LARGE, MEDIA, NAME_TAKEN))
async def create_segment(
    request: Request, response: Response, operator: Operator, wanted: Annotated[NewSegment, BODY]
) -> Segment:
    """Save a filter under a name, for audiences and for what they leave out."""
    definition = as_json(wanted.filter)
    async with resources(request).database.write() as tx:
        segment_id = await store.create(tx, wanted.name, definition, operator.name)
        if segment_id is None:
            raise _taken(wanted.name)
        await audit(tx, request, f"segments/{segment_id}", after={"name": wanted.name, "filter": definition})
        created = _found(await store.one(tx, segment_id), segment_id)
    response.headers["Location"] = f"/v1/segments/{segment_id}"
    set_etag(response, _etag(created))
    return Segment.of(created)


@router.get("")
async def list_segments(
    request: Request,
    _: Viewer,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Segments:
    """List segments, the newest first."""
    async with resources(request).database.read() as tx:
        rows = await store.page(tx, before=page_before(cursor), limit=limit + 1)
    return Segments(items=[Segment.of(row) for row in rows[:limit]], next_cursor=next_cursor(rows, limit))


@router.get("/{segment_id}", responses=documented(NO_SEGMENT))
async def get_segment(request: Request, response: Response, _: Viewer, segment_id: SegmentId) -> Segment:
    """Read a segment."""
    async with resources(request).database.read() as tx:
        row = _found(await store.one(tx, segment_id), segment_id)
    set_etag(response, _etag(row))
    return Segment.of(row)


@router.put(
    "/{segment_id}",
    dependencies=[is_json],
    responses=documented(MALFORMED, TOO_LARGE, MEDIA, NO_SEGMENT, NAME_TAKEN, CHANGED_MEANWHILE, NO_PRECONDITION),
)
async def change_segment(
    request: Request,
    response: Response,
    _: Operator,
    segment_id: SegmentId,
    wanted: Annotated[NewSegment, BODY],
    _if_match: IfMatch = None,
) -> Segment:
    """Replace a segment. Campaigns that were sent keep what they were sent to; drafts take what it is at their send."""
    definition = as_json(wanted.filter)
    try:
        async with resources(request).database.write() as tx:
            before = _found(await store.lock(tx, segment_id), segment_id)
            check_if_match(request, _etag(before))
            if not await store.change(tx, segment_id, wanted.name, definition):
                raise _taken(wanted.name)
            await audit(
                tx,
                request,
                f"segments/{segment_id}",
                before={"name": before.name, "filter": before.filter},
                after={"name": wanted.name, "filter": definition},
            )
            after = _found(await store.one(tx, segment_id), segment_id)
    except IntegrityError:
        # Another one was given the name at the same moment.
        raise _taken(wanted.name) from None
    set_etag(response, _etag(after))
    return Segment.of(after)


@router.delete("/{segment_id}", status_code=204, responses=documented(NO_SEGMENT, IN_USE, CHANGED_MEANWHILE))
async def delete_segment(request: Request, _: Operator, segment_id: SegmentId, _if_match: IfMatch = None) -> None:
    """Delete a segment that no draft and no scheduled campaign needs."""
    async with resources(request).database.write() as tx:
        before = _found(await store.lock(tx, segment_id), segment_id)
        check_if_match(request, _etag(before), required=False)
        needed_by = await store.needed_by(tx, segment_id)
        if needed_by:
            raise ProblemError(
                IN_USE,
                f"Segment {segment_id} is needed by campaigns that have not been sent: "
                f"{', '.join(map(str, needed_by))}. Change or delete these first.",
                campaigns=needed_by,
            )
        await store.delete(tx, segment_id)
        await audit(tx, request, f"segments/{segment_id}", before={"name": before.name, "filter": before.filter})


def _taken(name: str) -> ProblemError:
    return ProblemError(NAME_TAKEN, f"There is a segment '{name}'. Choose another name, or change that one.")


def _etag(row: Row[Any]) -> str:
    return etag(row.id, row.revision)


def _found(row: Row[Any] | None, segment_id: int) -> Row[Any]:
    if row is None:
        raise ProblemError(NO_SEGMENT, f"There is no segment {segment_id}. GET /v1/segments lists them.")
    return row
