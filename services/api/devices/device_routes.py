"""`/v1/devices`: one at a time."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import IntegrityError

from services.api.access.audit import audit
from services.api.access.roles import Ingest, Viewer
from services.api.devices import store
from services.api.devices.lines import DeviceRow, UserId, known_row
from services.api.devices.schemas import (
    EXAMPLE,
    Device,
    DevicePage,
    NewDevice,
    TargetOf,
)
from services.api.http.content_type import is_json
from services.api.http.cursor import (
    PageCursor,
    PageLimit,
    next_cursor,
    page_before,
)
from services.api.http.problems import (
    EVERYWHERE,
    MALFORMED,
    MEDIA,
    NO_DEVICE,
    TOO_LARGE,
    ProblemError,
    documented,
)
from services.api.resources import resources
from shared.contracts.numbers import MAX_ID
from shared.contracts.targets import target_hash
from shared.db import Writer
from shared.sqlstates import sqlstate

router = APIRouter(prefix="/v1/devices", tags=["devices"], responses=EVERYWHERE)

SEEN_GRAIN = 300.0
"""Seconds: an app that starts more often than that, with nothing new to tell, writes nothing."""

NO_SUCH_PROJECT = "23503"
"""PostgreSQL's word for a row that refers to none: a device refers to its project only."""

DeviceId = Annotated[int, Path(ge=1, le=MAX_ID, description="The device's number")]


@router.put(
    "",
    dependencies=[is_json],
    responses={
        **documented(MALFORMED, TOO_LARGE, MEDIA),
        201: {"model": Device, "description": "The device is new"},
    },
)
@router.post(
    "",
    dependencies=[is_json],
    responses={
        **documented(MALFORMED, TOO_LARGE, MEDIA),
        201: {"model": Device, "description": "The device is new"},
    },
)
async def upsert_device(
    request: Request,
    response: Response,
    _: Ingest,
    wanted: Annotated[
        NewDevice, Body(openapi_examples={"app start": {"summary": "At each start of the app", "value": EXAMPLE}})
    ],
) -> Device:
    """Register a device, or tell what is new of it: to be called at each start of the app.

    Its target names it. A known target becomes active again and moves to the user who is given, once however often this
    is sent; another user's attributes go. What is left out or null stays as it is; `attributes` replace all there were.
    `last_seen` is now unless an earlier time is given.
    """
    # The registry itself refuses a project that is not there: to ask before would be a third of this request's time.
    row = known_row(wanted.line(), () if wanted.project is None else {wanted.project})
    assert isinstance(row, DeviceRow)  # noqa: S101 - only its project could be unknown

    async def work(tx: Writer) -> tuple[bool, Device]:
        created = await store.upsert(tx, _seen_now(row), grain=SEEN_GRAIN)
        device = await store.by_hash(tx, row.hash)
        assert device is not None  # noqa: S101 - this transaction has just written or locked it
        return created, Device.of(device)

    try:
        created, device = await resources(request).database.again(work)
    except IntegrityError as error:
        if sqlstate(error) != NO_SUCH_PROJECT:
            raise
        said = f"there is no project '{wanted.project}'"
        fault = {"loc": ("body", "project"), "type": "no_project", "msg": said}
        raise RequestValidationError([fault], body={"project": wanted.project}) from None
    if created:
        response.status_code = 201
        response.headers["Location"] = f"/v1/devices/{device.id}"
    return device


@router.get("")
async def list_devices(
    request: Request,
    _: Viewer,
    user_id: Annotated[UserId, Query(description="Whose devices", examples=["user-1"])],
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> DevicePage:
    """List a user's devices, active or not, the newest first."""
    async with resources(request).database.read() as tx:
        rows = await store.by_user(tx, user_id, before=page_before(cursor), limit=limit + 1)
    return DevicePage(items=[Device.of(row) for row in rows[:limit]], next_cursor=next_cursor(rows, limit))


@router.get("/{device_id}", responses=documented(NO_DEVICE))
async def get_device(request: Request, _: Viewer, device_id: DeviceId) -> Device:
    """Read a device."""
    async with resources(request).database.read() as tx:
        return Device.of(_found(await store.by_id(tx, device_id), f"device {device_id}"))


@router.post("/deactivate", dependencies=[is_json], responses=documented(MALFORMED, TOO_LARGE, MEDIA, NO_DEVICE))
async def deactivate_target(
    request: Request,
    _: Ingest,
    wanted: Annotated[TargetOf, Body(openapi_examples={"logout": {"value": {"target": EXAMPLE["target"]}}})],
) -> Device:
    """Deactivate the device that has this target: at a logout, where the app's server knows no number."""
    hashed = target_hash(wanted.target.kind, wanted.target.value)
    async with resources(request).database.write() as tx:
        device = _found(await store.by_hash(tx, hashed), "device with this target")
        return await _deactivate(tx, request, device)


@router.post("/{device_id}/deactivate", responses=documented(NO_DEVICE))
async def deactivate_device(request: Request, _: Ingest, device_id: DeviceId) -> Device:
    """Deactivate a device: nothing is sent to it until it is registered again."""
    async with resources(request).database.write() as tx:
        device = _found(await store.by_id(tx, device_id), f"device {device_id}")
        return await _deactivate(tx, request, device)


async def _deactivate(tx: Writer, request: Request, row: Any) -> Device:
    done = await store.deactivate(tx, row.id)
    after = Device.of(_found(await store.by_id(tx, row.id), f"device {row.id}"))
    if done:
        await audit(tx, request, f"devices/{row.id}", before={"active": True}, after={"active": False})
    return after


def _seen_now(row: DeviceRow) -> DeviceRow:
    known = row.known or store.NOTHING
    return row if known.last_seen else row._replace(known=known._replace(last_seen=store.NOW))


def _found(row: Any, name: str) -> Any:
    if row is None:
        raise ProblemError(NO_DEVICE, f"There is no {name}. GET /v1/devices?user_id=… lists a user's.")
    return row
