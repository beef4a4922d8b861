"""`/v1/devices`: the registry of who can be reached where."""

from collections.abc import Sequence

import structlog
from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect

from services.api.access.audit import describe
from services.api.access.roles import Ingest
from services.api.devices import bulk_store
from services.api.devices.imports.chunks import committed
from services.api.devices.imports.ingest import Import, Imported
from services.api.devices.lines import KNOWN_LINE, MAX_LINE, DeviceRow
from services.api.http.content_type import NDJSON, streamed_media
from services.api.http.packed import lines_of
from services.api.http.problems import (
    INTERNAL,
    INTERRUPTED,
    MEDIA,
    NOTHING_REGISTERED,
    TOO_LARGE,
    UNAUTHORIZED,
    UNAVAILABLE,
    ProblemError,
    documented,
)
from services.api.resources import resources
from shared.db import Writer

log = structlog.get_logger()

router = APIRouter(prefix="/v1/devices", tags=["devices"], responses=documented(UNAUTHORIZED, INTERNAL))

BULK = "/v1/devices/bulk"
EXAMPLE = (
    '{"user_id":"user-1","platform":"android","target":{"kind":"token","value":"eXo2:APA91bF"}}\n'
    '{"user_id":"user-2","platform":"ios","target":{"kind":"fid","value":"cT0k1d"},"project":"default",'
    '"locale":"ko-KR","app_version":"3.12.0","attributes":{"plan":"pro"}}\n'
)


@router.post(
    "/bulk",
    responses=documented(TOO_LARGE, MEDIA, NOTHING_REGISTERED, UNAVAILABLE, INTERRUPTED),
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "One device a line.",
            "content": {
                NDJSON[0]: {
                    "schema": {"type": "string", "description": "Lines, each:", "x-line": KNOWN_LINE.json_schema()},
                    "example": EXAMPLE,
                }
            },
        }
    },
)
async def register_devices(request: Request, _: Ingest) -> Imported:
    """Register devices from a stream of lines, a JSON object each, of any length in flat memory.

    A target that is known moves to the line's user, platform and project and becomes active again; what a line does not
    say of locale, time zone, version, attributes or last_seen stays, and so does what is null, one attribute or the
    project included. Of several lines with one target the last counts.
    A line that cannot be taken is told in `errors` and the others are registered; when none could be, the answer is 422
    `nothing-registered`. A body without lines registers nothing and is no error.

    Every few thousand lines are committed together. Whoever hangs up or is cut off leaves what was committed, and
    sends the whole body again: registering what is registered changes nothing.
    """
    streamed_media(request, *NDJSON)
    found = resources(request)
    async with found.database.read() as tx:
        projects = await bulk_store.projects(tx)

    async def write(rows: Sequence[DeviceRow]) -> None:
        async def register(tx: Writer) -> None:
            await bulk_store.register(tx, rows)

        await committed(found, register)

    job = Import(projects, write, found.draining)
    try:
        imported = await job.run(lines_of(request))
    except ClientDisconnect:
        log.warning("import.client_left", received=job.tally.received, registered=job.tally.registered)
        raise ProblemError(INTERRUPTED, "The client left.") from None
    describe(request, "devices/bulk", imported.model_dump(exclude={"errors"}))
    log.info("import.done", received=imported.received, registered=imported.registered, rejected=imported.rejected)
    if imported.rejected and not imported.registered:
        raise ProblemError(
            NOTHING_REGISTERED,
            f"None of {imported.received} lines could be registered. Line {imported.errors[0].line}: "
            f"{imported.errors[0].problem}. A line may have {MAX_LINE} bytes.",
            **imported.model_dump(),
        )
    return imported
