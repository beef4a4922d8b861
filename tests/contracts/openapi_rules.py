"""What schemathesis is told beyond the OpenAPI: values a schema cannot describe, and when a refusal is right.

Loaded by schemathesis itself (`hooks` in its configuration), so it imports nothing of the API.
"""

import typing
import uuid
from typing import Any

import pydantic_core.core_schema
import schemathesis
from schemathesis import Case, CheckContext, GenerationMode, HookContext, Response, SerializationContext
from schemathesis.generation.meta import TestPhase

KEY = "Idempotency-Key"

STRUCTURAL = frozenset(typing.get_args(pydantic_core.core_schema.ErrorType)) - {"value_error", "assertion_error"}
"""Codes of what a schema does say: types, lengths, patterns. Our own rules have codes of their own."""


def _valid(case: Case[Any]) -> bool:
    return case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE


def _linked(case: Case[Any]) -> bool:
    return None in case.path_parameters.values() or (
        case.meta is not None and case.meta.phase.name == TestPhase.STATEFUL
    )


@schemathesis.serializer("application/x-ndjson")
def lines(_context: SerializationContext, value: object) -> bytes:
    """Send lines as they are made up."""
    return str(value).encode(errors="surrogatepass")


@schemathesis.hook
def before_call(_context: HookContext, case: Case[Any], _kwargs: dict[str, Any]) -> None:
    """Leave out of valid requests what only the server can give: a cursor, a version; and use no key twice."""
    if not _valid(case):
        return
    case.query.pop("cursor", None)
    if KEY in case.headers:
        case.headers[KEY] = uuid.uuid4().hex
    if "If-Match" in case.headers:
        case.headers["If-Match"] = "*"


@schemathesis.check
def refused_only_by_a_rule(_context: CheckContext, response: Response, case: Case[Any]) -> None:
    """A request that fits its schema may only be refused for what a schema cannot say."""
    if not _valid(case) or response.status_code != 422:
        return
    errors = response.json().get("errors") or []
    if _linked(case):
        # What another answer held was taken for an address: a null, the number 0 of the operator key, a whole list.
        errors = [error for error in errors if error.get("parameter") not in case.path_parameters]
    structural = [error for error in errors if error.get("code") in STRUCTURAL]
    assert not structural, f"The schema allows what the API refuses: {structural}"
