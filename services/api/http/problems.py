"""Every refusal of the API: RFC 9457 problems, by kind.

A kind's `type` is stable and for programs; `detail` is for people and may change. All carry `instance`, the request's
id, which the logs carry too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from services.api.http.request_id import current_request_id
from shared.errors import CarillonError

MEDIA_TYPE = "application/problem+json"
URN = "urn:carillon:problem:"


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of problem: the end of its `type`, its status, and what it means."""

    slug: str
    status: int
    title: str


MALFORMED = Kind("malformed-body", 400, "The body is not JSON")
UNAUTHORIZED = Kind("unauthorized", 401, "The key is missing, wrong, expired or revoked")
FORBIDDEN = Kind("forbidden", 403, "The key's role may not do this")
NO_ROUTE = Kind("no-such-route", 404, "There is nothing at this address")
NO_CAMPAIGN = Kind("no-such-campaign", 404, "There is no such campaign")
NO_DEVICE = Kind("no-such-device", 404, "There is no such device")
NO_LIST = Kind("no-such-list", 404, "There is no such list")
NO_SEGMENT = Kind("no-such-segment", 404, "There is no such segment")
NO_SUPPRESSION = Kind("no-such-suppression", 404, "It is not on the suppression list")
NO_IMPORT = Kind("no-such-import", 404, "There is no such import")
NO_STOP = Kind("no-such-stop", 404, "There is no such stop in force")
NO_KEY = Kind("no-such-key", 404, "There is no such key")
NO_PROJECT = Kind("no-such-project", 404, "There is no such project")
NO_DEAD_LETTER = Kind("no-such-dead-letter", 404, "There is no such dead letter")
METHOD = Kind("method-not-allowed", 405, "This address does not take this method")
WRONG_STATE = Kind("wrong-state", 409, "The campaign is not in a state for this")
REPEATED = Kind("request-in-progress", 409, "A request with this Idempotency-Key is not finished")
ANSWER_LOST = Kind("answer-lost", 409, "The request of this Idempotency-Key was done, but its answer is lost")
STOPPED = Kind("everything-stopped", 409, "Everything is stopped")
IN_USE = Kind("in-use", 409, "Campaigns need it")
LIST_SEALED = Kind("list-sealed", 409, "A campaign was sent to the list: it takes nobody any more")
IMPORT_BUSY = Kind("import-busy", 409, "The import is done, or another request is at it")
NAME_TAKEN = Kind("name-taken", 409, "Another one has this name")
LEDGER_DELETED = Kind("ledger-deleted", 410, "The campaign's devices were deleted after their time")
CHANGED_MEANWHILE = Kind("precondition-failed", 412, "It is not what If-Match says any more")
TOO_LARGE = Kind("too-large", 413, "The body, or a line of it, is too large")
MEDIA = Kind("unsupported-media-type", 415, "The body is of a type that is not taken here")
INVALID = Kind("invalid-request", 422, "The request is not valid")
NOTHING_REGISTERED = Kind("nothing-registered", 422, "No line of the import could be registered")
KEY_REUSED = Kind("idempotency-key-reused", 422, "This Idempotency-Key was used for another request")
NO_PRECONDITION = Kind("precondition-required", 428, "Say in If-Match which version is to be changed")
TOO_MANY = Kind("too-many-requests", 429, "The key has no requests left for now")
INTERNAL = Kind("internal", 500, "Something is wrong on our side")
UNAVAILABLE = Kind("unavailable", 503, "Try again in a moment")
TOO_MANY_STREAMS = Kind("too-many-streams", 503, "This process serves as many event streams as it may")
TOO_SLOW = Kind("estimate-too-slow", 503, "Counting took longer than it may")
INTERRUPTED = Kind("import-interrupted", 503, "The import was cut short; what it has committed stays")

RETRY_AFTER = 2
"""Seconds after which a 503 is worth another try: a restart of PostgreSQL or of this process takes about that."""


class ProblemError(CarillonError):
    """Raised when a request is refused; becomes the answer. `more` are members beside RFC 9457's own."""

    def __init__(self, kind: Kind, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.more = more


class RequestFault(BaseModel):
    """One thing that is wrong in a request."""

    detail: str
    code: str
    pointer: str | None = Field(None, description="Where in the JSON body, as a JSON Pointer; empty is the whole")
    parameter: str | None = Field(None, description="Which parameter of the path, the query or the headers")


class LineProblem(BaseModel):
    """One line of a body that is wrong."""

    line: int
    problem: str


class Problem(BaseModel):
    """RFC 9457. Kinds may add members: `errors`, `state` and `possible`, `received` and `registered`."""

    type: str = Field(description="Stable; for programs")
    title: str
    status: int
    detail: str = Field(description="What was wrong, where, and what to do")
    instance: str = Field(description="This request, as the logs name it")
    errors: list[RequestFault | LineProblem] | None = Field(
        None, description="Of invalid requests: each thing that is wrong. Of lines none of which was taken: the first"
    )


def problem_response(
    kind: Kind, detail: str, more: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The answer for a refusal."""
    body = {
        "type": URN + kind.slug,
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "instance": f"urn:carillon:request:{current_request_id()}",
        **(more or {}),
    }
    extra = {"Retry-After": str(RETRY_AFTER)} if kind.status == UNAVAILABLE.status else {}
    extra |= {"WWW-Authenticate": 'Bearer realm="carillon"'} if kind is UNAUTHORIZED else {}
    return JSONResponse(body, kind.status, {**extra, **(headers or {})}, media_type=MEDIA_TYPE)


def documented(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's `responses` for the kinds that a route can answer; kinds of one status are its examples."""
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        response = responses.setdefault(
            kind.status,
            {
                "description": kind.title,
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
            },
        )
        if kind.title not in response["description"]:
            response["description"] += f"; or: {kind.title[0].lower()}{kind.title[1:]}"
        response["content"][MEDIA_TYPE]["examples"][kind.slug] = {
            "value": {
                "type": URN + kind.slug,
                "title": kind.title,
                "status": kind.status,
                "detail": "…",
                "instance": "urn:carillon:request:4f1c",
            }
        }
    return responses


EVERYWHERE = documented(UNAUTHORIZED, INVALID, INTERNAL, UNAVAILABLE)
"""What any route behind a key may answer."""
