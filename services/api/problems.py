"""Every refusal of the API: RFC 9457 problems, by kind.

A kind's `type` is stable and for programs; `detail` is for people and may change. All carry `instance`, the request's
id, which the logs carry too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from services.api.request_id import current_request_id
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
UNAUTHORIZED = Kind("unauthorized", 401, "The operator key is missing or wrong")
NO_ROUTE = Kind("no-such-route", 404, "There is nothing at this address")
NO_CAMPAIGN = Kind("no-such-campaign", 404, "There is no such campaign")
METHOD = Kind("method-not-allowed", 405, "This address does not take this method")
WRONG_STATE = Kind("wrong-state", 409, "The campaign is not in a state for this")
TOO_LARGE = Kind("too-large", 413, "The body, or a line of it, is too large")
MEDIA = Kind("unsupported-media-type", 415, "The body is of a type that is not taken here")
INVALID = Kind("invalid-request", 422, "The request is not valid")
NOTHING_REGISTERED = Kind("nothing-registered", 422, "No line of the import could be registered")
INTERNAL = Kind("internal", 500, "Something is wrong on our side")
UNAVAILABLE = Kind("unavailable", 503, "Try again in a moment")
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


class Fault(BaseModel):
    """One thing that is wrong in a request."""

    detail: str
    code: str
    pointer: str | None = Field(None, description="Where in the JSON body, as a JSON Pointer; empty is the whole")
    parameter: str | None = Field(None, description="Which parameter of the path, the query or the headers")


class Problem(BaseModel):
    """RFC 9457. Kinds may add members: `errors`, `state` and `possible`, `received` and `registered`."""

    type: str = Field(description="Stable; for programs")
    title: str
    status: int
    detail: str = Field(description="What was wrong, where, and what to do")
    instance: str = Field(description="This request, as the logs name it")
    errors: list[Fault] | None = Field(None, description="Of invalid requests: each thing that is wrong")


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
