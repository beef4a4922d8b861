"""`/v1/lists`: user ids by the million, for audiences and for what they leave out."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

import structlog
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.engine import Row
from starlette.requests import ClientDisconnect

from services.api.access.audit import audit
from services.api.access.roles import Operator, Viewer
from services.api.audiences import list_store as store
from services.api.audiences.list_upload import CSV, ListUpload
from services.api.devices.imports.chunks import committed
from services.api.devices.imports.ingest import LineFault
from services.api.http.content_type import NDJSON, streamed_media
from services.api.http.cursor import (
    PageCursor,
    PageLimit,
    next_cursor,
    page_before,
)
from services.api.http.packed import lines_of
from services.api.http.problems import (
    EVERYWHERE,
    IN_USE,
    INTERRUPTED,
    LIST_SEALED,
    MEDIA,
    NO_LIST,
    NOTHING_REGISTERED,
    TOO_LARGE,
    ProblemError,
    documented,
)
from services.api.resources import Resources, resources
from shared.contracts.numbers import MAX_ID
from shared.db import Writer
from shared.ledger.audiences import SHORT_LIST

log = structlog.get_logger()

router = APIRouter(prefix="/v1/lists", tags=["audiences"], responses=EVERYWHERE)

ListId = Annotated[int, Path(ge=1, le=MAX_ID, description="The list's number")]
Name = Annotated[str, Query(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["Buyers of May"])]

EXAMPLE_READ: dict[str, Any] = {
    "id": 5,
    "name": "Buyers of May",
    "state": "ready",
    "size": 2400000,
    "created_by": "operator",
    "created_at": "2026-11-22T09:00:00Z",
    "completed_at": "2026-11-22T09:00:40Z",
    "sealed_at": None,
}
LINES = {
    "requestBody": {
        "required": True,
        "description": "One user id a line: in quotes as JSON, or as CSV with a column `user_id`, in any case, "
        "among any others.",
        "content": {
            NDJSON[0]: {"schema": {"type": "string"}, "example": '"user-1"\n"user-2"\n'},
            CSV: {"schema": {"type": "string"}, "example": "user_id\nuser-1\nuser-2\n"},
        },
    }
}


class UserList(BaseModel):
    """An uploaded list."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_READ]})

    id: int
    name: str
    state: Literal["loading", "ready"] = Field(description="`loading` until an upload has reached its end")
    size: int = Field(description="Different users")
    created_by: str
    created_at: datetime
    completed_at: datetime | None
    sealed_at: datetime | None = Field(description="When a campaign was first sent to it; it takes nobody since")

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Read its row."""
        return cls.model_validate(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping


class ListUploadResult(UserList):
    """A list, and what came of the upload that this answers."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **EXAMPLE_READ,
                    "received": 2400003,
                    "added": 2400000,
                    "rejected": 1,
                    "errors": [{"line": 7, "problem": "not JSON: expected value at line 1 column 1"}],
                }
            ]
        }
    )

    received: int = Field(description="Lines with something on them")
    added: int = Field(description="Users that were not in the list before")
    rejected: int = Field(description="Lines that were not taken")
    errors: list[LineFault] = Field(description="The first 100 of these")


class UserLists(BaseModel):
    """A page of lists, the newest first."""

    items: list[UserList]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last")


@router.post(
    "",
    status_code=201,
    responses=documented(TOO_LARGE, MEDIA, NOTHING_REGISTERED, INTERRUPTED),
    openapi_extra=LINES,
)
async def upload_list(request: Request, response: Response, operator: Operator, name: Name) -> ListUploadResult:
    """Upload user ids from a stream of lines; 10,000,000 are no trouble.

    CSV may separate its columns by commas, semicolons or tabs, and be UTF-8, or UTF-16 with a byte order mark. A body
    that is refused makes no list. An upload that is cut short leaves a list that is `loading`, which no audience can
    name; its number is in the refusal. Sending the whole body again to `POST /v1/lists/{list_id}/users` completes it:
    who is in it stays.
    """
    media = streamed_media(request, *NDJSON, CSV)
    async with resources(request).database.write() as tx:
        list_id = await store.create(tx, name, operator.name)
        await audit(tx, request, f"lists/{list_id}", after={"name": name})
    response.headers["Location"] = f"/v1/lists/{list_id}"
    return await _upload(request, list_id, media, fresh=True)


@router.post(
    "/{list_id}/users",
    responses=documented(TOO_LARGE, MEDIA, NO_LIST, LIST_SEALED, NOTHING_REGISTERED, INTERRUPTED),
    openapi_extra=LINES,
)
async def add_users(request: Request, _: Operator, list_id: ListId) -> ListUploadResult:
    """Add users to a list, or complete its upload. A list that a campaign was sent to takes nobody any more."""
    media = streamed_media(request, *NDJSON, CSV)
    async with resources(request).database.write() as tx:
        before = _found(await store.one(tx, list_id), list_id)
        if before.sealed_at is not None:
            raise _sealed(list_id)
        await audit(tx, request, f"lists/{list_id}", before={"size": before.size})
    return await _upload(request, list_id, media, fresh=False)


@router.get("")
async def list_lists(
    request: Request,
    _: Viewer,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> UserLists:
    """List the uploaded lists, the newest first."""
    async with resources(request).database.read() as tx:
        rows = await store.page(tx, before=page_before(cursor), limit=limit + 1)
    return UserLists(items=[UserList.of(row) for row in rows[:limit]], next_cursor=next_cursor(rows, limit))


@router.get("/{list_id}", responses=documented(NO_LIST))
async def get_list(request: Request, _: Viewer, list_id: ListId) -> UserList:
    """Read a list: its size grows while it is uploaded."""
    async with resources(request).database.read() as tx:
        return UserList.of(_found(await store.one(tx, list_id), list_id))


@router.delete("/{list_id}", status_code=204, responses=documented(NO_LIST, IN_USE))
async def delete_list(request: Request, _: Operator, list_id: ListId) -> None:
    """Delete a list that no campaign needs which is a draft, scheduled or under way."""
    async with resources(request).database.write() as tx:
        before = _found(await store.lock(tx, list_id), list_id)
        needed_by = await store.needed_by(tx, list_id)
        if needed_by:
            raise ProblemError(
                IN_USE,
                f"List {list_id} is needed by campaigns that are not over: {', '.join(map(str, needed_by))}. "
                f"Change, delete or await these first.",
                campaigns=needed_by,
            )
        await store.discard(tx, list_id)
        await audit(tx, request, f"lists/{list_id}", before={"name": before.name, "size": before.size})


async def _upload(request: Request, list_id: int, media: str, *, fresh: bool) -> ListUploadResult:
    found = resources(request)

    async def add(user_ids: list[str]) -> int:
        async def work(tx: Writer) -> int:
            new = await store.add(tx, list_id, user_ids)
            if new is None:
                raise _sealed(list_id)
            return new

        return await committed(found, work)

    job = ListUpload(add, media, found.draining)
    try:
        tally = await job.run(lines_of(request))
    except ClientDisconnect:
        log.warning("list.client_left", list_id=list_id, received=job.tally.received)
        raise ProblemError(INTERRUPTED, "The client left.") from None
    except ProblemError as error:
        raise await _refused(found, list_id, error, fresh=fresh) from None
    nothing = tally.rejected and not tally.registered
    async with found.database.write() as tx:
        if nothing and fresh:
            await store.discard(tx, list_id)
        elif not nothing:
            await store.complete(tx, list_id)
        row = await store.one(tx, list_id)
    if job.added > SHORT_LIST:
        async with found.database.write() as tx:
            await store.look_at(tx)
    if nothing or row is None:
        first = tally.errors[0]
        raise ProblemError(
            NOTHING_REGISTERED,
            f"None of {tally.received} lines is a user id. Line {first.line}: {first.problem}.",
            **tally.model_dump(),
        )
    log.info("list.uploaded", list_id=list_id, received=tally.received, added=job.added, rejected=tally.rejected)
    return ListUploadResult(
        **UserList.of(row).model_dump(),
        received=tally.received,
        added=job.added,
        rejected=tally.rejected,
        errors=tally.errors,
    )


async def _refused(found: Resources, list_id: int, error: ProblemError, *, fresh: bool) -> ProblemError:
    """Of a body that is refused no list is left; one that was cut short can be sent again."""
    if fresh and error.kind is not INTERRUPTED:
        async with found.database.write() as tx:
            await store.discard(tx, list_id)
        return ProblemError(error.kind, f"{error.detail} No list was made.", **error.more)
    again = "again" if error.kind is INTERRUPTED else "once it is mended"
    said = f"{error.detail} Send the body {again} to POST /v1/lists/{list_id}/users."
    return ProblemError(error.kind, said, list_id=list_id, **error.more)


def _sealed(list_id: int) -> ProblemError:
    return ProblemError(
        LIST_SEALED, f"List {list_id} takes nobody any more: a campaign was sent to it. Upload another list."
    )


def _found(row: Row[Any] | None, list_id: int) -> Row[Any]:
    if row is None:
        raise ProblemError(NO_LIST, f"There is no list {list_id}. GET /v1/lists lists them.")
    return row
