"""`/v1/imports`: imports as jobs."""

import json
import uuid
from collections.abc import AsyncGenerator, Sequence
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Body, Path, Request, Response
from sqlalchemy.engine import Row
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from services.api.access.audit import audit
from services.api.access.roles import Ingest, Viewer
from services.api.devices import bulk_store
from services.api.devices.imports import store
from services.api.devices.imports.chunks import committed
from services.api.devices.imports.progress import JobImport
from services.api.devices.imports.schemas import (
    EXAMPLE,
    ImportJob,
    ImportPage,
    NewImport,
    RejectedLine,
)
from services.api.devices.imports.store import ImportProgress
from services.api.devices.lines import KNOWN_LINE, DeviceRow
from services.api.http.content_type import NDJSON, is_json, streamed_media
from services.api.http.cursor import (
    PageCursor,
    PageLimit,
    next_cursor,
    page_before,
)
from services.api.http.faults import AWAY
from services.api.http.packed import lines_of
from services.api.http.problems import (
    EVERYWHERE,
    IMPORT_BUSY,
    INTERRUPTED,
    MALFORMED,
    MEDIA,
    NO_IMPORT,
    TOO_LARGE,
    ProblemError,
    documented,
)
from services.api.resources import Resources, resources
from shared.contracts.numbers import MAX_ID
from shared.db import Database, Writer

log = structlog.get_logger()

router = APIRouter(prefix="/v1/imports", tags=["devices"], responses=EVERYWHERE)

CSV = "text/csv"
PAGE = 1000
"""Rejected lines read at once for a download, which is as long as it is."""

ImportId = Annotated[int, Path(ge=1, le=MAX_ID, description="The import's number")]
LINES = {
    "requestBody": {
        "required": True,
        "description": "One device a line. CSV names its columns first, in any case: user_id, platform, token or "
        "fid, and of project, locale, time_zone, app_version, last_seen, attributes.<name> what there is. Between them "
        "stand commas, semicolons or tabs, or what a line `sep=` before them says. Blanks around a cell are no part of "
        "it, an empty cell leaves what is known as it is, and a cell in quotes may hold line breaks (RFC 4180). UTF-8, "
        "or UTF-16 with a byte order mark.",
        "content": {
            NDJSON[0]: {
                "schema": {"type": "string", "description": "Lines, each of them:", "x-line": KNOWN_LINE.json_schema()},
                "example": '{"user_id":"user-1","platform":"ios","target":{"kind":"token","value":"eXo2:APA91bF"}}\n',
            },
            CSV: {
                "schema": {"type": "string"},
                "example": "user_id,platform,token,locale,attributes.plan\nuser-1,ios,eXo2:APA91bF,ko-KR,pro\n",
            },
        },
    }
}


@router.post("", status_code=201, dependencies=[is_json], responses=documented(MALFORMED, TOO_LARGE, MEDIA))
async def create_import(
    request: Request,
    response: Response,
    principal: Ingest,
    wanted: Annotated[NewImport, Body(openapi_examples={"csv": {"value": EXAMPLE}})],
) -> ImportJob:
    """Announce an import; then `PUT` its body to `/v1/imports/{import_id}/lines`, and follow it here meanwhile."""
    async with resources(request).database.write() as tx:
        import_id = await store.create(tx, wanted.name, wanted.format, principal.name)
        await audit(tx, request, f"imports/{import_id}", after=wanted.model_dump())
        created = ImportJob.of(_found(await store.one(tx, import_id), import_id))
    response.headers["Location"] = f"/v1/imports/{import_id}"
    return created


@router.get("")
async def list_imports(
    request: Request,
    _: Viewer,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> ImportPage:
    """List imports of the last days, the newest first."""
    async with resources(request).database.read() as tx:
        rows = await store.page(tx, before=page_before(cursor), limit=limit + 1)
    return ImportPage(items=[ImportJob.of(row) for row in rows[:limit]], next_cursor=next_cursor(rows, limit))


@router.get("/{import_id}", responses=documented(NO_IMPORT))
async def get_import(request: Request, _: Ingest, import_id: ImportId) -> ImportJob:
    """Read how far an import is."""
    async with resources(request).database.read() as tx:
        return ImportJob.of(_found(await store.one(tx, import_id), import_id))


@router.put(
    "/{import_id}/lines",
    responses=documented(TOO_LARGE, MEDIA, NO_IMPORT, IMPORT_BUSY, INTERRUPTED),
    openapi_extra=LINES,
)
async def put_lines(request: Request, _: Ingest, import_id: ImportId) -> ImportJob:
    """Send an import's body, of any length in flat memory, or send it again after it was cut short.

    Progress is committed with the devices, every thousand lines. The same body sent again is passed over up to `lines`
    and gone on with from there, so nothing is counted twice. When two requests send it at once, the later one goes on
    and the other is told so. Lines that cannot be taken do not stop it: `rejected` counts them, and
    `GET /v1/imports/{import_id}/rejected` has them.
    """
    found = resources(request)
    async with found.database.read() as tx:
        job = _found(await store.one(tx, import_id), import_id)
        projects = await bulk_store.projects(tx)
    streamed_media(request, *((CSV,) if job.format == "csv" else NDJSON))
    holder = uuid.uuid4().hex
    async with found.database.write() as tx:
        taken = await store.take(tx, import_id, holder)
        if taken is None:
            raise ProblemError(IMPORT_BUSY, f"Import {import_id} is done. Announce another one for another body.")
    run = JobImport(
        projects,
        _committing(found, import_id, holder),
        found.draining,
        csv=job.format == "csv",
        done=taken.lines,
        rejected=taken.rejected,
    )
    try:
        await run.run(lines_of(request))
    except ClientDisconnect:
        await _interrupted(found.database, import_id, holder, "The client left.")
        raise ProblemError(INTERRUPTED, "The client left.") from None
    except ProblemError as error:
        await _interrupted(found.database, import_id, holder, error.detail)
        raise

    async def ended(tx: Writer) -> Row[Any]:
        let_go = await store.end(tx, import_id, holder, "done", None)
        done = _found(await store.one(tx, import_id), import_id)
        if not let_go and done.state != "done":
            raise _taken_over(import_id)
        await audit(tx, request, f"imports/{import_id}", after={"state": "done", **_counts(done)})
        return done

    done = await committed(found, ended)
    log.info("import.done", import_id=import_id, **_counts(done))
    return ImportJob.of(done)


@router.get(
    "/{import_id}/rejected",
    response_class=StreamingResponse,
    responses={
        **documented(NO_IMPORT),
        200: {
            "description": "Lines of JSON, each a rejected line of the body",
            "content": {
                NDJSON[0]: {
                    "schema": {"type": "string", "x-line": RejectedLine.model_json_schema()},
                    "example": '{"line":7,"problem":"target.value is required","content":"{\\"user_id\\":\\"u\\"}"}\n',
                }
            },
        },
    },
)
async def download_rejected(request: Request, _: Ingest, import_id: ImportId) -> StreamingResponse:
    """Download the rejected lines of an import, the first 100,000: with numbers, what is wrong, and what was sent."""
    database = resources(request).database
    async with database.read() as tx:
        _found(await store.one(tx, import_id), import_id)
    return StreamingResponse(_rejected(database, import_id), media_type=NDJSON[0])


async def _rejected(database: Database, import_id: int) -> AsyncGenerator[bytes]:
    after = 0
    while True:
        async with database.read() as tx:
            rows = await store.rejected(tx, import_id, after=after, limit=PAGE)
        if rows:
            after = rows[-1].line
            yield b"".join(_as_line(row) for row in rows)
        if len(rows) < PAGE:
            return


def _as_line(row: Row[Any]) -> bytes:
    document = {"line": row.line, "problem": row.problem, "content": row.content}
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"


def _counts(row: Row[Any]) -> dict[str, int]:
    return {name: getattr(row, name) for name in ("received", "registered", "rejected")}


def _committing(found: Resources, import_id: int, holder: str) -> Any:
    async def commit(rows: Sequence[DeviceRow], progress: ImportProgress) -> None:
        async def work(tx: Writer) -> None:
            if not await store.advance(tx, import_id, holder, progress):
                if not await store.is_at(tx, import_id, holder, progress.lines):
                    raise _taken_over(import_id)
                return  # committed before, and only the answer was lost
            if rows:
                await bulk_store.register(tx, rows)

        await committed(found, work)

    return commit


async def _interrupted(database: Database, import_id: int, holder: str, problem: str) -> None:
    """Say in the job why it stopped; a database that is away is told by `touched_at`, which does not move."""
    log.warning("import.interrupted", import_id=import_id, problem=problem)
    try:
        async with database.write() as tx:
            await store.end(tx, import_id, holder, "interrupted", problem.replace("\0", ""))
    except AWAY as error:
        log.warning("import.not_noted", import_id=import_id, error=str(error))


def _taken_over(import_id: int) -> ProblemError:
    return ProblemError(
        IMPORT_BUSY, f"Another request sends import {import_id} now; this one stopped. What is registered stays."
    )


def _found(row: Row[Any] | None, import_id: int) -> Row[Any]:
    if row is None:
        raise ProblemError(
            NO_IMPORT, f"There is no import {import_id}, or it is more than a week old. GET /v1/imports lists them."
        )
    return row
