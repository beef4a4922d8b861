"""`/v1/projects`: FCM projects, their quotas, and whether their messages flow."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Body, Header, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text
from sqlalchemy.engine import Row

from services.api.access.audit import audit
from services.api.access.roles import Admin, Viewer
from services.api.http.content_type import is_json
from services.api.http.etags import check_if_match, etag, set_etag
from services.api.http.problems import (
    CHANGED_MEANWHILE,
    MALFORMED,
    MEDIA,
    NO_PRECONDITION,
    NO_PROJECT,
    TOO_LARGE,
    UNAUTHORIZED,
    ProblemError,
    documented,
)
from services.api.resources import resources
from shared.contracts.platforms import Shape
from shared.db import Writer
from shared.ledger import projects as ledger
from shared.ledger import throttle
from shared.ledger.events import record_project_event

router = APIRouter(prefix="/v1/projects", tags=["system"], responses=documented(UNAUTHORIZED))

_COLUMNS = """
    id, rate, tat, paused_until, ramp_from, cut_rate, cut_at, circuit_reason, circuit_probe_at, stopped_platforms,
    booked_minute, booked_now, booked_before, last_error, last_error_at, created_at,
    extract(epoch from clock_timestamp())::float8 as now
"""
LIST = text(f"select {_COLUMNS} from project order by id")  # noqa: S608 - a constant
ONE = text(f"select {_COLUMNS} from project where id = :id")  # noqa: S608
LOCK = text(f"select {_COLUMNS} from project where id = :id for no key update")  # noqa: S608
CREATE = text("insert into project (id, rate) values (:id, :rate) on conflict do nothing")
CHANGE = text("update project set rate = :rate where id = :id")

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="The ETag that was read, or `*`: needed to change a project, not to create one",
        max_length=500,
    ),
]
MINUTE = 60
FORM = r"^[a-z0-9][a-z0-9-]{0,62}$"
ProjectId = Annotated[str, Path(pattern=FORM, description="The project, as its credentials' file is named")]

EXAMPLE: dict[str, Any] = {
    "id": "default",
    "rate": 10000.0,
    "rate_in_force": 7000.0,
    "quota_used": 0.82,
    "booked_ahead_seconds": 1.4,
    "paused_until": None,
    "circuit": "closed",
    "circuit_reason": None,
    "circuit_probe_at": None,
    "stopped_platforms": {"ios": {"reason": "THIRD_PARTY_AUTH_ERROR", "probe_at": "2026-11-22T09:00:15Z"}},
    "last_error": "RESOURCE_EXHAUSTED: quota used up, told to wait 60 s",
    "last_error_at": "2026-11-22T08:59:00Z",
    "created_at": "2026-11-01T00:00:00Z",
}


class ProjectSettings(Shape):
    """What is set of a project."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"rate": 10000}]})

    rate: float = Field(
        gt=0, le=1_000_000, description="Its quota, messages a second; FCM's default of 600,000 a minute is 10,000"
    )


class StoppedPlatform(BaseModel):
    """A platform that FCM refuses."""

    reason: str
    probe_at: datetime = Field(description="When a single message tries it again")


class Project(BaseModel):
    """An FCM project and how it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: str
    rate: float = Field(description="Its quota, messages a second")
    rate_in_force: float = Field(description="What is booked at now: less after idleness and after a 429")
    quota_used: float = Field(description="Messages of the last minute, as a share of the quota's")
    booked_ahead_seconds: float = Field(description="How long the messages that are booked already will take")
    paused_until: datetime | None = Field(description="FCM said to wait until then")
    circuit: str = Field(description="`open`: nothing flows but a probe now and then, since nothing could succeed")
    circuit_reason: str | None
    circuit_probe_at: datetime | None = Field(description="When the next probe may go")
    stopped_platforms: dict[str, StoppedPlatform] = Field(description="Platforms that are held back, others flow")
    last_error: str | None
    last_error_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, row: Row[Any], *, ramp: float) -> Self:
        """Read its row as of the row's own moment."""
        bent = throttle.Throttle(row.rate, row.ramp_from, row.cut_rate, row.cut_at)
        bent = throttle.after_rest(bent, last=row.tat, now=row.now)
        stopped = {
            name: StoppedPlatform(reason=entry["reason"], probe_at=_moment(entry["probe_at"]))
            for name, entry in row.stopped_platforms.items()
        }
        opened = row.circuit_reason is not None
        return cls(
            id=row.id,
            rate=row.rate,
            rate_in_force=round(throttle.rate_in_force(bent, now=row.now, ramp=ramp), 1),
            quota_used=round(used(row, now=row.now) / (row.rate * MINUTE), 4),
            booked_ahead_seconds=round(max(0.0, row.tat - row.now), 3),
            paused_until=_moment(row.paused_until) if row.paused_until > row.now else None,
            circuit="open" if opened else "closed",
            circuit_reason=row.circuit_reason,
            circuit_probe_at=_moment(row.circuit_probe_at) if opened else None,
            stopped_platforms=stopped,
            last_error=row.last_error,
            last_error_at=None if row.last_error_at is None else _moment(row.last_error_at),
            created_at=row.created_at,
        )


class Projects(BaseModel):
    """All projects, by id."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE]}]})

    items: list[Project]


def used(row: Any, *, now: float) -> float:
    """Messages booked in the last sixty seconds: this minute's, and the share of the last one's that is still in them.

    Within a few percent at an even flow; exact would be a row a message.
    """
    minute, into = divmod(now, MINUTE)
    this = row.booked_now if row.booked_minute == minute else 0
    before = {minute: row.booked_before, minute - 1: row.booked_now}.get(row.booked_minute, 0)
    return float(this + before * (1 - into / MINUTE))


@router.get("")
async def list_projects(request: Request, _: Viewer) -> Projects:
    """List all FCM projects: quota and how much of it is used, circuit, stopped platforms, the last error."""
    async with resources(request).database.read() as tx:
        rows = await tx.all(LIST)
    return Projects(items=[Project.of(row, ramp=resources(request).ramp) for row in rows])


@router.get("/{project_id}", responses=documented(NO_PROJECT))
async def get_project(request: Request, response: Response, _: Viewer, project_id: ProjectId) -> Project:
    """Read a project; its ETag is of what is set, and stays the same while messages flow."""
    async with resources(request).database.read() as tx:
        row = _found(await tx.first(ONE, {"id": project_id}), project_id)
    set_etag(response, _etag(row))
    return Project.of(row, ramp=resources(request).ramp)


@router.put(
    "/{project_id}",
    dependencies=[is_json],
    responses={
        **documented(MALFORMED, TOO_LARGE, MEDIA, CHANGED_MEANWHILE, NO_PRECONDITION),
        201: {"model": Project, "description": "There is a new project"},
    },
)
async def put_project(
    request: Request,
    response: Response,
    _: Admin,
    project_id: ProjectId,
    wanted: Annotated[
        ProjectSettings, Body(openapi_examples={"rate": {"summary": "FCM's default quota", "value": {"rate": 10000}}})
    ],
    _if_match: IfMatch = None,
) -> Project:
    """Create a project or change its quota; the next booking of any sender goes by it.

    Its service account's file, `<project id>.json`, has to be with the senders before a device is registered in it.
    """
    async with resources(request).database.write() as tx:
        created = bool(await tx.run(CREATE, {"id": project_id, "rate": wanted.rate}))
        before = _found(await tx.first(LOCK, {"id": project_id}), project_id)
        if not created:
            check_if_match(request, _etag(before))
            await tx.run(CHANGE, {"id": project_id, "rate": wanted.rate})
        await audit(
            tx,
            request,
            f"projects/{project_id}",
            before=None if created else {"rate": before.rate},
            after={"rate": wanted.rate},
        )
        row = _found(await tx.first(ONE, {"id": project_id}), project_id)
    if created:
        response.status_code = 201
        response.headers["Location"] = f"/v1/projects/{project_id}"
    set_etag(response, _etag(row))
    return Project.of(row, ramp=resources(request).ramp)


@router.post("/{project_id}/reset-circuit", responses=documented(NO_PROJECT))
async def reset_circuit(request: Request, _: Admin, project_id: ProjectId) -> Project:
    """Let a project's messages flow again now, its stopped platforms and FCM's pause included.

    For when what was wrong has been repaired and nobody wants to wait for the next probe. If it was not, the first
    answers open the circuit again.
    """
    found = resources(request)

    async def work(tx: Writer) -> Row[Any]:
        before = _found(await tx.first(LOCK, {"id": project_id}), project_id)
        if await ledger.reset(tx, project_id):
            await record_project_event(tx, project_id, "circuit_reset", {})
        after = _found(await tx.first(ONE, {"id": project_id}), project_id)
        await audit(tx, request, f"projects/{project_id}", before=_flow(before), after=_flow(after))
        return after

    row = await found.database.again(work)
    found.ring()
    return Project.of(row, ramp=resources(request).ramp)


def _flow(row: Row[Any]) -> Mapping[str, Any]:
    return {
        "circuit_reason": row.circuit_reason,
        "stopped_platforms": sorted(row.stopped_platforms),
        "paused": row.paused_until > row.now,
        "cut": row.cut_rate is not None,
    }


def _etag(row: Row[Any]) -> str:
    return etag(row.id, row.rate)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _found(row: Row[Any] | None, project_id: str) -> Row[Any]:
    if row is None:
        raise ProblemError(NO_PROJECT, f"There is no project '{project_id}'. GET /v1/projects lists them.")
    return row
