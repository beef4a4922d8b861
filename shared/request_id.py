"""The id of the request that caused the present work: carried from HTTP through messages into every log line.

The API sets it from `X-Request-ID`, the outbox keeps it, messages carry it as `carillon-request-id`, and a worker
binds it while it handles a delivery, so that what it publishes carries it on.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

import structlog

MESSAGE_HEADER = "carillon-request-id"

_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def set_request_id(request_id: str) -> None:
    """Set it for this task and those it starts."""
    _current.set(request_id)


def current_request_id() -> str | None:
    """The id, None for what no request caused: sweeps, schedules."""
    return _current.get()


@contextmanager
def caused_by(request_id: str | None) -> Generator[None]:
    """Do the block on behalf of that request; its logs name it."""
    token = _current.set(request_id)
    try:
        if request_id is None:
            yield
        else:
            with structlog.contextvars.bound_contextvars(request_id=request_id):
                yield
    finally:
        _current.reset(token)
