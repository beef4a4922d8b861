"""Who may call what: roles, and the dependency that a route names its least role with.

| role | may |
|---|---|
| viewer | read everything but keys and the audit log |
| operator | what a viewer may, and change campaigns, audiences and devices |
| admin | everything: keys, projects, stopping everything, discarding dead letters |
| ingest | register and update devices, nothing else: for app servers |

A request is authenticated before it is routed (`access.gate`); a route only says who may use it, as
`_: Viewer`, `operator: Operator`, `_: Admin`, `_: Ingest`, or `dependencies=[Depends(requires(Role.ADMIN))]`.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from services.api.http.problems import FORBIDDEN, ProblemError

SCHEME = HTTPBearer(
    scheme_name="key",
    description="A key of `POST /v1/keys`, or the operator key that CARILLON_OPERATOR_KEY holds.",
    auto_error=False,
)


class Role(StrEnum):
    """What a key may do."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    INGEST = "ingest"


MAY: dict[Role, frozenset[Role]] = {
    Role.VIEWER: frozenset({Role.VIEWER}),
    Role.OPERATOR: frozenset({Role.VIEWER, Role.OPERATOR, Role.INGEST}),
    Role.ADMIN: frozenset(Role),
    Role.INGEST: frozenset({Role.INGEST}),
}
"""By a key's role: the least roles of the routes that it may use."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a request; what is created and the audit log remember the name.

    `key_id` 0 is the operator key of the environment. `rate`: requests a second, None for the API's default.
    """

    name: str
    role: Role
    key_id: int = 0
    rate: float | None = None


def digest(key: str) -> bytes:
    """What is kept of a key and compared: keys are random, so a plain hash cannot be guessed back."""
    return hashlib.sha256(key.encode()).digest()


def principal(request: Request) -> Principal:
    """Who makes the request; `access.gate` has set it on everything below `/v1`."""
    found = request.state.principal
    assert isinstance(found, Principal)  # noqa: S101 - nothing is routed without
    return found


def requires(least: Role) -> Callable[..., Awaitable[Principal]]:
    """A dependency that lets through who may use routes of role `least`, and answers the others 403.

    The OpenAPI names the role beside the key, in the route's `security`.
    """

    async def check(
        request: Request,
        _offered: Annotated[HTTPAuthorizationCredentials | None, Security(SCHEME, scopes=[str(least)])],
    ) -> Principal:
        found = principal(request)
        if least not in MAY[found.role]:
            allowed = ", ".join(role for role in Role if least in MAY[role])
            raise ProblemError(
                FORBIDDEN,
                f"The key '{found.name}' has the role {found.role}; this needs one of: {allowed}.",
                role=found.role,
                allowed=[role for role in Role if least in MAY[role]],
            )
        return found

    return check


async def anyone(
    request: Request, _offered: Annotated[HTTPAuthorizationCredentials | None, Depends(SCHEME)]
) -> Principal:
    """Whoever has a key."""
    return principal(request)


Anyone = Annotated[Principal, Depends(anyone)]
Viewer = Annotated[Principal, Depends(requires(Role.VIEWER))]
Operator = Annotated[Principal, Depends(requires(Role.OPERATOR))]
Admin = Annotated[Principal, Depends(requires(Role.ADMIN))]
Ingest = Annotated[Principal, Depends(requires(Role.INGEST))]
