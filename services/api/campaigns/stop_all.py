"""`POST /v1/stop` and its undoing: an emergency stop of everything at once."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import text

from services.api.access.audit import audit
from services.api.access.roles import Admin, Viewer
from services.api.http.content_type import is_json
from services.api.http.problems import (
    EVERYWHERE,
    MALFORMED,
    MEDIA,
    NO_PROJECT,
    NO_STOP,
    TOO_LARGE,
    ProblemError,
    documented,
)
from services.api.resources import resources
from shared.contracts.numbers import MAX_ID, WHOLE
from shared.contracts.platforms import Shape
from shared.db import Writer
from shared.ledger import steering

router = APIRouter(prefix="/v1", tags=["system"], responses=EVERYWHERE)

PROJECT = text("select 1 from project where id = :id")
EXAMPLES: dict[str, Any] = {
    "system": {"summary": "Everything", "value": {"scope": "system", "reason": "wrong price in the message"}},
    "project": {"summary": "One project", "value": {"scope": "project", "project": "default"}},
}
EXAMPLE_STOP: dict[str, JsonValue] = {"id": 3, "scope": "system", "project": None, "campaigns": [7, 9]}


class NewStop(Shape):
    """What to stop, and why."""

    scope: Literal["system", "project"]
    project: Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9][a-z0-9-]*$")] | None = None
    reason: str = Field("", max_length=500, pattern=r"^[^\x00]*$", description="Shown to whoever is refused a send")

    @model_validator(mode="after")
    def _named(self) -> "NewStop":
        if (self.scope == "project") != (self.project is not None):
            raise PydanticCustomError("project", "name the project with the scope 'project', and only with it")
        return self


class Resumption(Shape):
    """Which stop to undo."""

    stop_id: Annotated[int, Field(ge=1, le=MAX_ID, strict=True), WHOLE] | None = Field(
        None, description="null: every stop in force"
    )


class StopResult(BaseModel):
    """A stop and the campaigns that it paused."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_STOP]})

    id: int
    scope: Literal["system", "project"]
    project: str | None
    campaigns: list[int]

    @classmethod
    def of(cls, stopped: steering.Stopped) -> Self:
        """Read the ledger's."""
        return cls(
            id=stopped.id,
            scope="system" if stopped.project is None else "project",
            project=stopped.project,
            campaigns=list(stopped.campaigns),
        )


class StopInForce(StopResult):
    """A stop in force; `campaigns` are those that it still holds."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    **EXAMPLE_STOP,
                    "reason": "wrong price in the message",
                    "created_by": "operator",
                    "created_at": "2026-11-22T09:00:00Z",
                }
            ]
        },
    )

    reason: str
    created_by: str
    created_at: datetime


class StopPage(BaseModel):
    """Stops in force, the oldest first."""

    items: list[StopInForce]


class ResumeResult(BaseModel):
    """Stops that were undone, and the campaigns that go on."""

    undone: list[StopResult]


@router.get("/stop")
async def list_stops(request: Request, _: Viewer) -> StopPage:
    """List the stops in force; none is the usual answer."""
    async with resources(request).database.read() as tx:
        return StopPage(items=[StopInForce.model_validate(row) for row in await steering.stops(tx)])


@router.post(
    "/stop", status_code=201, dependencies=[is_json], responses=documented(MALFORMED, TOO_LARGE, MEDIA, NO_PROJECT)
)
async def stop_everything(
    request: Request, admin: Admin, wanted: Annotated[NewStop, Body(openapi_examples=EXAMPLES)]
) -> StopResult:
    """Pause every campaign that is sending, in one step: of the system, or of one FCM project.

    Nothing is sent from two seconds later on. While the system is stopped no campaign starts, by request or schedule.
    Of a project: the campaigns that have open batches there, and those that are still being planned and may come
    there; others start and go on. One campaign can be resumed by itself; `POST /v1/resume-all` resumes the rest.
    """

    async def work(tx: Writer) -> StopResult:
        if wanted.project is not None and await tx.first(PROJECT, {"id": wanted.project}) is None:
            raise ProblemError(NO_PROJECT, f"There is no project '{wanted.project}'. GET /v1/projects lists them.")
        stopped = StopResult.of(
            await steering.stop_all(tx, project=wanted.project, reason=wanted.reason, by=admin.name)
        )
        await audit(tx, request, f"stops/{stopped.id}", after={**stopped.model_dump(), "reason": wanted.reason})
        return stopped

    stopped = await resources(request).database.again(work)
    resources(request).ring()
    return stopped


@router.post("/resume-all", responses=documented(MALFORMED, TOO_LARGE, MEDIA, NO_STOP))
async def resume_everything(
    request: Request,
    _: Admin,
    wanted: Annotated[Resumption | None, Body(openapi_examples={"one": {"value": {"stop_id": 3}}})] = None,
) -> ResumeResult:
    """Undo a stop, or all: resume the campaigns that it paused and that nobody has resumed or cancelled since.

    Campaigns that were paused by themselves stay paused. Schedules that came due meanwhile are sent now.
    """
    stop_id = wanted.stop_id if wanted else None

    async def work(tx: Writer) -> ResumeResult:
        undone = await steering.resume_all(tx, stop_id)
        if stop_id is not None and not undone:
            raise ProblemError(NO_STOP, f"Stop {stop_id} is not in force. GET /v1/stop lists those that are.")
        resumed = ResumeResult(undone=[StopResult.of(stopped) for stopped in undone])
        await audit(tx, request, "stops", after=resumed.model_dump())
        return resumed

    resumed = await resources(request).database.again(work)
    resources(request).ring()
    return resumed
