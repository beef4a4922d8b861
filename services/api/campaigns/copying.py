"""A campaign's row as an operator would write it again: for patches, clones, follow-ups, tests and dry runs."""

from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlalchemy.engine import Row

from services.api.campaigns.schemas import NewCampaign
from services.api.http.etags import etag
from shared.ledger.audiences import FROZEN

OPTIONS = ("ttl_seconds", "delivery", "max_attempts", "rate")


def written(row: Row[Any]) -> dict[str, Any]:
    """The document that would create this campaign."""
    return {
        **row.content,
        "priority": row.priority,
        "audience": {name: value for name, value in row.audience.items() if name != FROZEN},
        **{name: getattr(row, name) for name in OPTIONS},
    }


def patched(document: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7396): null removes, objects merge, everything else replaces.

    >>> patched({"title": "a", "data": {"x": "1", "y": "2"}}, {"title": "b", "data": {"x": None}})
    {'title': 'b', 'data': {'y': '2'}}
    """
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(document) if isinstance(document, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = patched(merged.get(name), value)
    return merged


def rewritten(row: Row[Any], patch: Mapping[str, Any]) -> NewCampaign:
    """The campaign with the patch applied; raises `RequestValidationError` when that could not have been created."""
    document = {**written(row), **{name: value for name, value in patch.items() if name == "audience"}}
    changed = patched(document, {name: value for name, value in patch.items() if name != "audience"})
    try:
        return NewCampaign.model_validate(changed)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors(include_url=False)]
        raise RequestValidationError(faults, body=changed) from None


def version(row: Row[Any]) -> str:
    """The ETag of what operators write of a campaign; its counters are no part of it."""
    return etag(row.id, row.revision, row.status)
