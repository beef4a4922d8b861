"""The audit log: who changed what, from what to what, by which request.

A handler writes its entry in the transaction of the change. What writes none is entered after the change by
`changes`, without before and after, so that no change is missing.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from sqlalchemy import text
from starlette.types import Scope

from services.api.access.idempotency import Ticket, mark_done
from services.api.access.roles import Principal
from services.api.http.request_id import current_request_id
from shared.db import Writer

MAX_VALUE = 2000
"""Characters of a text that are kept: enough to see what it was."""
MAX_ITEMS = 20
"""Members of a list that are kept; the number of the others is told."""
SECRET = frozenset({"key", "token", "secret", "password", "authorization", "value", "target", "user_id", "user_ids"})
"""Fields that are never kept: keys, tokens that find a device, and users, who may ask to be forgotten."""

ADD = text("""
    insert into audit_log (key_id, key_name, role, method, route, resource, request_id, before, after)
    values (:key_id, :key_name, :role, :method, :route, :resource, :request_id,
            cast(:before as jsonb), cast(:after as jsonb))
""")


@dataclass(slots=True)
class Change:
    """What `changes` keeps of a changing request while it is served."""

    ticket: Ticket | None = None
    audited: bool = False
    secret: bool = False
    resource: str | None = None
    after: Mapping[str, Any] | None = None


async def audit(
    tx: Writer,
    request: Request,
    resource: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Enter a change in the transaction that makes it.

    `resource` is its address below `/v1`, such as `campaigns/7`, a user's by `user_resource`; `before` and `after` what
    is worth knowing of it, in plain JSON or times: None before a creation and after a deletion. Secrets and tokens are
    left out here.

    Raises `ProblemError` when the same Idempotency-Key has meanwhile been given to a repeated request: nothing of this
    one may be committed then.
    """
    change = request.scope["state"]["change"]
    assert isinstance(change, Change)  # noqa: S101 - set by `changes` on every changing request
    await enter(tx, request.scope, resource, before=before, after=after)
    if change.ticket is not None:
        await mark_done(tx, change.ticket, resource)
    change.audited = True


def user_resource(user_id: str) -> str:
    """A user's address in the log: found again by who knows the id, and naming nobody once the id is forgotten.

    >>> user_resource("user-1")
    'users/sha256:c6c289e49e9c05b2145860387b73bcb1'
    """
    return f"users/sha256:{hashlib.sha256(user_id.encode()).hexdigest()[:32]}"


def address(scope: Scope) -> str:
    """The address of a request below `/v1`, with users by their hash.

    >>> address({"path": "/v1/campaigns/7/pause", "path_params": {"campaign_id": "7"}})
    'campaigns/7/pause'
    """
    path = str(scope["path"]).removeprefix("/v1/")
    user_id = scope.get("path_params", {}).get("user_id")
    return path if user_id is None else path.removesuffix(f"users/{user_id}") + user_resource(user_id)


def describe(request: Request, resource: str, after: Mapping[str, Any]) -> None:
    """Say what the entry of a request is about that has no one transaction, such as an import's."""
    change = request.scope["state"]["change"]
    assert isinstance(change, Change)  # noqa: S101 - set by `changes` on every changing request
    change.resource, change.after = resource, after


def unchanged(request: Request) -> None:
    """Say that the request, whatever its method, has changed nothing: there is nothing to enter."""
    change = request.scope["state"]["change"]
    assert isinstance(change, Change)  # noqa: S101 - set by `changes` on every changing request
    change.audited = True


def keep_no_answer(request: Request) -> None:
    """Say that the answer holds a secret: a repeated request is told that it was done, and not told the secret."""
    change = request.scope["state"]["change"]
    assert isinstance(change, Change)  # noqa: S101 - set by `changes` on every changing request
    change.secret = True


async def enter(
    tx: Writer,
    scope: Scope,
    resource: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write an entry about the request of `scope`."""
    who = scope["state"]["principal"]
    assert isinstance(who, Principal)  # noqa: S101 - set by `gate` on every request that gets here
    await tx.run(
        ADD,
        {
            "key_id": who.key_id,
            "key_name": who.name,
            "role": who.role,
            "method": scope["method"],
            "route": str(getattr(scope.get("route"), "path", scope["path"])),
            "resource": resource[:500],
            "request_id": current_request_id(),
            "before": _json(before),
            "after": _json(after),
        },
    )


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(redacted(value), ensure_ascii=False, default=str)


def redacted(value: Any) -> Any:
    """The value without secrets, long texts and long lists.

    >>> redacted({"name": "shop", "token": "abc", "user_ids": ["a"] * 22})["token"]
    '(not kept)'
    """
    if isinstance(value, Mapping):
        return {str(name): _left_out(part) if name in SECRET else redacted(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        kept = [redacted(part) for part in list(value)[:MAX_ITEMS]]
        return kept if len(value) <= MAX_ITEMS else [*kept, f"({len(value) - MAX_ITEMS} more)"]
    if isinstance(value, str):
        clean = value.replace("\x00", "")
        return clean if len(clean) <= MAX_VALUE else clean[:MAX_VALUE] + "…"
    return value


def _left_out(value: Any) -> str:
    return f"({len(value)} not kept)" if isinstance(value, list | tuple) else "(not kept)"
