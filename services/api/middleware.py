"""What surrounds every request: its id, its log line, its metric, headers of safety, a limit to its body."""

import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.faults import internal_problem
from services.api.problems import TOO_LARGE, problem_response
from services.api.request_id import HEADER, begin_request
from shared.observability import metrics

log = structlog.get_logger()

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SAFETY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Answers are data of one operator: never guessed at, framed, referred to or cached."""


class Surround:
    """Outermost: nothing leaves without an id, and no error without an answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = begin_request(Headers(scope=scope).get(HEADER))
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[HEADER] = request_id
                for name, value in SAFETY.items():
                    headers.setdefault(name, value)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, answer)
            except Exception as error:  # noqa: BLE001 - the last resort: the log has it, the client an answer
                response = internal_problem(error)
                if not status:
                    await response(scope, receive, answer)
            finally:
                seconds = time.perf_counter() - began
                method = scope["method"] if scope["method"] in METHODS else "other"
                metrics.HTTP_SECONDS.labels(method, route_template(scope), status).observe(seconds)
                log.info(
                    "request.answered",
                    method=method,
                    path=scope["path"],
                    status=status,
                    milliseconds=round(seconds * 1000, 1),
                )


class BodyLimit:
    """Refuses a body of more than `limit` bytes before it is in memory; routes that stream theirs are `exempt`."""

    def __init__(self, app: ASGIApp, *, limit: int, exempt: frozenset[str]) -> None:
        self._app = app
        self._limit = limit
        self._exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in self._exempt:
            await self._app(scope, receive, send)
            return
        detail = f"A body may have {self._limit:,} bytes here."
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length) > self._limit:
            await problem_response(TOO_LARGE, detail)(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise HTTPException(TOO_LARGE.status, detail)
            return message

        await self._app(scope, counted, send)


def route_template(scope: Scope) -> str:
    """The route's path as it was written, so that a metric has one series for all campaigns."""
    return str(getattr(scope.get("route"), "path", "unmatched"))
