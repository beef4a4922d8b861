"""The request's id: the client's `X-Request-ID` when it is one, else our own; in answers, problems and logs."""

import re
import uuid
from contextvars import ContextVar

HEADER = "X-Request-ID"
ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,128}")
"""What may go into logs and back into a header as it is; anything else is replaced by an id of ours."""

_current: ContextVar[str] = ContextVar("request_id", default="none")


def begin_request(offered: str | None) -> str:
    """Set this request's id, from what the client offered where that is usable, and return it."""
    chosen = offered if offered and ACCEPTED.fullmatch(offered) else uuid.uuid4().hex
    _current.set(chosen)
    return chosen


def current_request_id() -> str:
    """The id of the request that this task serves."""
    return _current.get()
