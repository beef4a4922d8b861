"""Every error of a route becomes a problem here: this one place decides what a client may see."""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from services.api.http.problems import (
    INTERNAL,
    INVALID,
    MALFORMED,
    METHOD,
    NO_ROUTE,
    TOO_LARGE,
    UNAVAILABLE,
    Kind,
    ProblemError,
    problem_response,
)
from shared.errors import DatabaseUnavailableError, UnavailableError

log = structlog.get_logger()

MAX_FAULTS = 50
"""Faults listed in one answer: enough to repair a body, however many it has."""
BY_STATUS: Mapping[int, Kind] = {400: MALFORMED, 404: NO_ROUTE, 405: METHOD, 413: TOO_LARGE}
AWAY = (UnavailableError, PoolTimeoutError)
"""PostgreSQL or the broker cannot be reached, or has no connection left for us."""

ABSENT = object()
"""What is at a place that a document does not have; null is something."""

_SAID = {
    "missing": "this is required",
    "model_attributes_type": "this has to be a JSON object",
    "string_unicode": "this text is no Unicode: it holds half of a surrogate pair",
}
"""What pydantic says in the words of Python, by its code."""


def install_faults(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(UnavailableError, _on_unavailable)
    app.add_exception_handler(PoolTimeoutError, _on_unavailable)


def internal_problem(error: Exception) -> Response:
    """The answer for an unexpected error; the log has the details."""
    log.error("request.failed", error=repr(error), exc_info=error)
    return problem_response(INTERNAL, "This is a fault of Carillon's. The logs name it under this instance's id.")


async def _on_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 - as registered
    return problem_response(error.kind, error.detail, error.more)


async def _on_unavailable(_request: Request, error: Exception) -> Response:
    return unavailable_problem(error)


def unavailable_problem(error: Exception) -> Response:
    """The answer while PostgreSQL or the broker cannot be reached."""
    log.warning("request.unavailable", error=f"{type(error).__name__}: {error}")
    said = error.said if isinstance(error, DatabaseUnavailableError) else ""
    return problem_response(
        UNAVAILABLE,
        f"{said or 'PostgreSQL or RabbitMQ could not be reached or is too busy.'} A change may or may not have been "
        f"made: read it, then repeat.",
    )


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as registered
    return http_problem(request.scope, error)


def http_problem(scope: Scope, error: HTTPException) -> Response:
    """The answer for what the framework refuses; it does not repeat the path, in which users' ids may be."""
    kind = BY_STATUS.get(error.status_code)
    if kind is None:
        return internal_problem(error)
    detail = {
        NO_ROUTE: "This is not an address of this API; /openapi.json lists them all.",
        METHOD: f"This address does not take {scope['method']}; the Allow header says what it takes.",
        MALFORMED: "The body could not be read as JSON: it is cut short, nested too deeply, or not UTF-8.",
    }.get(kind, str(error.detail))
    return problem_response(kind, detail, headers=error.headers)


async def _on_invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as registered
    found = error.errors()
    for fault in found:
        if fault["type"] == "json_invalid":
            return problem_response(
                MALFORMED, f"The body is not JSON: {fault['ctx']['error']} at character {fault['loc'][-1]}."
            )
    faults = [as_fault(fault, error.body) for fault in found[:MAX_FAULTS]]
    first = faults[0]
    where = first.get("pointer") or first.get("parameter") or "the body"
    others = f" {len(found) - 1} more in `errors`." if len(found) > 1 else ""
    return problem_response(INVALID, f"{where}: {first['detail']}.{others}", {"errors": faults})


def as_fault(fault: Mapping[str, Any], body: object) -> dict[str, str]:
    """One of pydantic's errors as a member of `errors`; values that were sent are not repeated."""
    place, *path = fault["loc"]
    # A check over a whole object knows which of its fields it speaks of.
    named = fault.get("ctx", {})
    path += [named[key] for key in ("name", "key") if key in named]
    said = {"detail": _said(fault), "code": str(fault["type"])}
    if place != "body":
        return {"parameter": ".".join(map(str, path)), **said}
    found = in_document(path, body)
    if path and fault["type"] != "missing" and not named.keys() & {"name", "key"}:
        # The last part may be a union's tag, too; only of what is missing it is a member that is not there.
        found = in_document([*path, ""], body)[:-1]
    return {"pointer": pointer(found), **said}


def in_document(path: Sequence[str | int], document: object) -> list[str | int]:
    """The path without what pydantic put between: the tag of a union's member is nowhere in the document.

    >>> in_document(["audience", "users", "user_ids", 0], {"audience": {"kind": "users", "user_ids": [""]}})
    ['audience', 'user_ids', 0]
    """
    found: list[str | int] = []
    for place, part in enumerate(path):
        inside = _inside(document, part)
        if inside is ABSENT and place < len(path) - 1:
            continue
        document = inside
        found.append(part)
    return found


def _inside(document: object, part: str | int) -> object:
    if isinstance(document, dict):
        return document.get(part, ABSENT)
    if isinstance(document, list) and isinstance(part, int) and part < len(document):
        return document[part]
    return ABSENT


def pointer(path: Sequence[str | int]) -> str:
    """RFC 6901: the path of a value in a JSON document.

    >>> pointer(["data", "a/b", 0])
    '/data/a~1b/0'
    """
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _said(fault: Mapping[str, Any]) -> str:
    text = _SAID.get(fault["type"]) or str(fault["msg"]).removeprefix("Value error, ")
    return text[0].lower() + text[1:]
