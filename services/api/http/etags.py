"""ETag and If-Match: who updates says which version they saw, so that two operators cannot undo each other unseen.

A route that reads a resource sets `etag(...)` on its answer; the route that updates it calls `check_if_match` inside
the transaction that holds the row's lock, before it writes.
"""

import hashlib
import json
import re
from typing import Any

from fastapi import Request, Response

from services.api.http.problems import CHANGED_MEANWHILE, NO_PRECONDITION, ProblemError

_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def etag(*version: Any) -> str:
    """A strong tag of whatever tells one version of a resource from another; plain JSON or times.

    >>> etag(7, "draft") == etag(7, "draft") != etag(7, "sending")
    True
    """
    told = json.dumps(version, sort_keys=True, default=str, ensure_ascii=False)
    return f'"{hashlib.sha256(told.encode()).hexdigest()[:16]}"'


def set_etag(response: Response, tag: str) -> None:
    """Tell the version with the answer."""
    response.headers["ETag"] = tag


def check_if_match(request: Request, current: str, *, required: bool = True) -> None:
    """Refuse an update of another version than `current`: 412; and one that names none, where `required`: 428."""
    given = ", ".join(request.headers.getlist("if-match"))
    if not given.strip():
        if required:
            raise ProblemError(
                NO_PRECONDITION,
                "Read it first and send its ETag in the header If-Match; `If-Match: *` changes it as it is.",
            )
        return
    if not matches(given, current):
        raise ProblemError(
            CHANGED_MEANWHILE,
            f"It is {current} now, and If-Match says {given}. Read it again and decide anew.",
            etag=current,
        )


def matches(given: str, current: str) -> bool:
    """Whether an If-Match header names `current`, by strong comparison: a weak tag matches nothing.

    >>> matches('"a", "b"', '"b"'), matches('W/"b"', '"b"'), matches("*", '"b"')
    (True, False, True)
    """
    if given.strip() == "*":
        return True
    return any(not weak and tag == current for weak, tag in _TAG.findall(given))
