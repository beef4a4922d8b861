"""The API's own description: what the routes say, and what surrounds every one of them."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from services.api.http.headers import KEY_HEADER
from services.api.http.problems import (
    ANSWER_LOST,
    FORBIDDEN,
    INTERNAL,
    INVALID,
    KEY_REUSED,
    REPEATED,
    TOO_LARGE,
    TOO_MANY,
    UNAUTHORIZED,
    UNAVAILABLE,
    Kind,
    Problem,
    documented,
)

FRAMEWORKS = "HTTPValidationError"
"""The 422 that FastAPI documents for itself and `faults` never lets out."""
EVERYWHERE = (UNAUTHORIZED, FORBIDDEN, INVALID, TOO_MANY, INTERNAL, UNAVAILABLE)
"""What the gate, the roles, the checks and the servers behind can answer on any route below `/v1`."""
ONCE = (REPEATED, ANSWER_LOST, KEY_REUSED, TOO_LARGE)
"""What an Idempotency-Key can lead to."""
KEY_PARAMETER = {
    "name": KEY_HEADER,
    "in": "header",
    "required": False,
    "description": "Sent again with the same request, the first answer comes again; kept for 24 hours",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$"},
    "example": "8e03978e-40d5-43e8-bc93-6894a57f9324",
}


def openapi(app: FastAPI) -> dict[str, Any]:
    """The document, made once."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schema["components"]["schemas"] |= {**problem.pop("$defs"), "Problem": problem}
        schema["paths"] = _hoisted(schema["paths"], schema["components"]["schemas"])
        for unused in (FRAMEWORKS, "ValidationError"):
            schema["components"]["schemas"].pop(unused, None)
        for path, methods in schema["paths"].items():
            if path.startswith("/v1/"):
                for method, operation in methods.items():
                    _surround(method, operation)
        app.openapi_schema = schema
    return app.openapi_schema


def _hoisted(part: Any, named: dict[str, Any]) -> Any:
    """The same with the definitions of lines (`x-line`) among the named schemas, where references can find them."""
    if isinstance(part, list):
        return [_hoisted(each, named) for each in part]
    if not isinstance(part, dict):
        return part
    for name, definition in part.get("$defs", {}).items():
        named.setdefault(name, _hoisted(definition, named))
    moved = {name: _hoisted(each, named) for name, each in part.items() if name != "$defs"}
    if isinstance(moved.get("$ref"), str):
        moved["$ref"] = moved["$ref"].replace("#/$defs/", "#/components/schemas/")
    return moved


def _surround(method: str, operation: dict[str, Any]) -> None:
    """Add what holds for every operation."""
    if FRAMEWORKS in str(operation["responses"].get("422")):
        del operation["responses"]["422"]
    _can_answer(operation, *EVERYWHERE)
    if method == "post":
        _can_answer(operation, *ONCE)
        operation.setdefault("parameters", []).append(KEY_PARAMETER)


def _can_answer(operation: dict[str, Any], *kinds: Kind) -> None:
    """Document the kinds beside those that the route has documented itself."""
    for status, response in documented(*kinds).items():
        known = operation["responses"].setdefault(str(status), response)
        if known is response:
            continue
        for media, content in response["content"].items():
            examples = known.setdefault("content", {}).setdefault(media, content).setdefault("examples", {})
            for slug, example in content["examples"].items():
                examples.setdefault(slug, example)
