"""The request's id: the client's `X-Request-ID` if it is one, else ours; answers, logs and messages carry it."""

import re
import uuid

from shared import request_id

HEADER = "X-Request-ID"
ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,128}")
"""What may go into logs and back into a header as it is; anything else is replaced by an id of ours."""


def begin_request(offered: str | None) -> str:
    """Set this request's id, from what the client offered where that is usable, and return it."""
    chosen = offered if offered and ACCEPTED.fullmatch(offered) else uuid.uuid4().hex
    request_id.set_request_id(chosen)
    return chosen


def current_request_id() -> str:
    """The id of the request that this task serves."""
    return request_id.current_request_id() or "none"
