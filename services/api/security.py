"""Who may call: the bearer of the operator key."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from services.api.problems import UNAUTHORIZED, ProblemError
from services.api.resources import resources

SCHEME = HTTPBearer(
    scheme_name="operator key", description="The key that CARILLON_OPERATOR_KEY holds.", auto_error=False
)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a request; what is created remembers the name."""

    name: str


def digest(key: str) -> bytes:
    """What is kept of a key and compared: digests have one length, so a comparison tells nothing of the key's."""
    return hashlib.sha256(key.encode()).digest()


async def authenticate(
    request: Request, offered: Annotated[HTTPAuthorizationCredentials | None, Depends(SCHEME)]
) -> Principal:
    """The operator, or a 401 that says how to authenticate."""
    if offered is None:
        raise ProblemError(UNAUTHORIZED, "Send the operator key in the header `Authorization: Bearer <key>`.")
    if not hmac.compare_digest(digest(offered.credentials), resources(request).operator_digest):
        raise ProblemError(UNAUTHORIZED, "This is not the operator key that the API was started with.")
    return Principal("operator")


Operator = Annotated[Principal, Depends(authenticate)]
