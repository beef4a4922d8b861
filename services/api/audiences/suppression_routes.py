"""`/v1/suppressions`: users and devices that must never be sent to, whatever the campaign.

The list is looked at when a batch is claimed, seconds before its devices are sent to: whoever is on it by then is
skipped, with the letter `S`. So it also holds for campaigns that are under way.
"""

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Body, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.engine import Row

from services.api.access.audit import audit, user_resource
from services.api.access.roles import Operator, Viewer
from services.api.audiences import suppression_store as store
from services.api.audiences.schemas import MAX_USERS
from services.api.devices.lines import UserId
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
    NO_SUPPRESSION,
    TOO_LARGE,
    ProblemError,
    documented,
)
from services.api.resources import resources
from shared.contracts.numbers import MAX_ID
from shared.contracts.platforms import Shape

router = APIRouter(prefix="/v1/suppressions", tags=["audiences"], responses=EVERYWHERE)

Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$", examples=["asked by telephone"])]
User = Annotated[UserId, Path(description="The app's own id of the user")]
DeviceNumber = Annotated[int, Path(ge=1, le=MAX_ID, description="The device's number")]
REASON = Body(openapi_examples={"reason": {"value": {"reason": "asked by telephone"}}})
ENTRY = {"reason": "asked by telephone", "created_by": "operator", "created_at": "2026-11-22T09:00:00Z"}


class SuppressionReason(Shape):
    """Why."""

    reason: Text = "not said"


class NewSuppressedUsers(Shape):
    """Users to put on the list."""

    user_ids: Annotated[list[UserId], Field(min_length=1, max_length=MAX_USERS)]
    reason: Text = "not said"


class SuppressionAdded(BaseModel):
    """What came of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"added": 2, "known": 1}]})

    added: int = Field(description="Users that were not on the list")
    known: int = Field(description="Users that were on it, and stay as they were entered")


class _Entry(BaseModel):
    """Why something is on the list."""

    reason: str
    created_by: str
    created_at: datetime

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Read its row."""
        return cls.model_validate(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping


class SuppressedUser(_Entry):
    """A user who is never sent to, on any device."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"user_id": "user-1", **ENTRY}]})

    user_id: str


class SuppressedDevice(_Entry):
    """A device that is never sent to, whoever it belongs to, also when it is registered again."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"device_id": 42, "target_hash": "3c2f0b7d1f1f9a0e6cc1f6a5b1c7d2e4", **ENTRY}]}
    )

    device_id: int | None = Field(description="Its number; null while its target is not registered")
    target_hash: str


class SuppressedUsers(BaseModel):
    """A page of users, the latest first."""

    items: list[SuppressedUser]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last")


class SuppressedDevices(BaseModel):
    """A page of devices, the latest first."""

    items: list[SuppressedDevice]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last")


@router.post("/users", dependencies=[is_json], responses=documented(MALFORMED, TOO_LARGE, MEDIA))
async def suppress_users(
    request: Request,
    operator: Operator,
    wanted: Annotated[
        NewSuppressedUsers, Body(openapi_examples={"two": {"value": {"user_ids": ["user-1", "user-2"]}}})
    ],
) -> SuppressionAdded:
    """Put users on the suppression list, known to the registry or not."""
    user_ids = sorted(set(wanted.user_ids))
    async with resources(request).database.write() as tx:
        added = await store.add_users(tx, user_ids, wanted.reason, operator.name)
        await audit(tx, request, "suppressions/users", after={"users": len(user_ids), "reason": wanted.reason})
    return SuppressionAdded(added=added, known=len(user_ids) - added)


@router.get("/users")
async def list_suppressed_users(
    request: Request, _: Viewer, limit: PageLimit = 50, cursor: PageCursor = None
) -> SuppressedUsers:
    """List the users on the suppression list, the latest first."""
    async with resources(request).database.read() as tx:
        rows = await store.users(tx, before=page_before(cursor), limit=limit + 1)
    return SuppressedUsers(items=[SuppressedUser.of(row) for row in rows[:limit]], next_cursor=next_cursor(rows, limit))


@router.get("/users/{user_id:path}", responses=documented(NO_SUPPRESSION))
async def get_suppressed_user(request: Request, _: Viewer, user_id: User) -> SuppressedUser:
    """Read whether and why a user is on the suppression list."""
    async with resources(request).database.read() as tx:
        return SuppressedUser.of(_found(await store.user(tx, user_id), "user"))


@router.put("/users/{user_id:path}", dependencies=[is_json], responses=documented(MALFORMED, TOO_LARGE, MEDIA))
async def suppress_user(
    request: Request, operator: Operator, user_id: User, wanted: Annotated[SuppressionReason, REASON]
) -> SuppressedUser:
    """Put a user on the suppression list; one that is on it stays as entered."""
    async with resources(request).database.write() as tx:
        if await store.add_users(tx, [user_id], wanted.reason, operator.name):
            await audit(tx, request, f"suppressions/{user_resource(user_id)}", after={"reason": wanted.reason})
        return SuppressedUser.of(_found(await store.user(tx, user_id), "user"))


@router.delete("/users/{user_id:path}", status_code=204, responses=documented(NO_SUPPRESSION))
async def release_user(request: Request, _: Operator, user_id: User) -> None:
    """Take a user off the suppression list. What was skipped meanwhile is not sent."""
    async with resources(request).database.write() as tx:
        before = _found(await store.user(tx, user_id), "user")
        await store.remove_user(tx, user_id)
        await audit(tx, request, f"suppressions/{user_resource(user_id)}", before={"reason": before.reason})


@router.get("/devices")
async def list_suppressed_devices(
    request: Request, _: Viewer, limit: PageLimit = 50, cursor: PageCursor = None
) -> SuppressedDevices:
    """List the devices on the suppression list, the latest first."""
    async with resources(request).database.read() as tx:
        rows = await store.devices(tx, before=page_before(cursor), limit=limit + 1)
    return SuppressedDevices(
        items=[SuppressedDevice.of(row) for row in rows[:limit]], next_cursor=next_cursor(rows, limit)
    )


@router.put(
    "/devices/{device_id}", dependencies=[is_json], responses=documented(MALFORMED, TOO_LARGE, MEDIA, NO_DEVICE)
)
async def suppress_device(
    request: Request, operator: Operator, device_id: DeviceNumber, wanted: Annotated[SuppressionReason, REASON]
) -> SuppressedDevice:
    """Put a device on the suppression list, by its target: it stays there when it is deleted and registered again."""
    async with resources(request).database.write() as tx:
        if not await store.is_device(tx, device_id):
            raise ProblemError(NO_DEVICE, f"There is no device {device_id}. GET /v1/devices?user_id=… lists a user's.")
        if await store.add_device(tx, device_id, wanted.reason, operator.name):
            await audit(tx, request, f"suppressions/devices/{device_id}", after={"reason": wanted.reason})
        return SuppressedDevice.of(_found(await store.device(tx, device_id), "device"))


@router.delete("/devices/{device_id}", status_code=204, responses=documented(NO_SUPPRESSION))
async def release_device(request: Request, _: Operator, device_id: DeviceNumber) -> None:
    """Take a device off the suppression list. What was skipped meanwhile is not sent."""
    async with resources(request).database.write() as tx:
        before = _found(await store.device(tx, device_id), "device")
        await store.remove_device(tx, device_id)
        await audit(tx, request, f"suppressions/devices/{device_id}", before={"reason": before.reason})


def _found(row: Row[Any] | None, what: str) -> Row[Any]:
    if row is None:
        raise ProblemError(NO_SUPPRESSION, f"This {what} is not on the suppression list. GET /v1/suppressions/{what}s.")
    return row
