"""Middleware around every request: its id, log line and metric, security headers, a limit to its body."""

import re
import time
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.http.faults import internal_problem
from services.api.http.problems import TOO_LARGE, problem_response
from services.api.http.request_id import HEADER, begin_request
from shared.observability import metrics, traces

log = structlog.get_logger()

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SAFETY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000",
}
"""Answers are data of one operator: never guessed at, framed, referred to, cached or run; once over TLS, always."""
NUMBERED = frozenset({"campaign_id", "import_id", "list_id", "segment_id", "stop_id", "key_id"})
"""What a log line names of an address beside its route: our own numbers. The rest of a path may be a user's id."""
PAGES = frozenset({"/docs", "/docs/oauth2-redirect"})
"""Pages that load scripts: the policy for data would leave them blank."""


@dataclass(slots=True)
class Traffic:
    """Requests of this process, for its heartbeat."""

    now: int = 0
    answered: int = 0

    def in_flight(self) -> int:
        """Requests that are being served."""
        return self.now

    def done(self) -> int:
        """Requests answered since the start."""
        return self.answered


traffic = Traffic()


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
        traffic.now += 1

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[HEADER] = request_id
                for name, value in SAFETY.items():
                    if name != "Content-Security-Policy" or scope["path"] not in PAGES:
                        headers.setdefault(name, value)
            await send(message)

        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            traces.served(scope["method"], Headers(scope=scope).get(traces.MESSAGE_HEADER)) as span,
        ):
            try:
                await self._app(scope, receive, answer)
            except Exception as error:  # noqa: BLE001 - the last resort: the log has it, the client an answer
                response = internal_problem(error)
                if not status:
                    await response(scope, receive, answer)
            finally:
                traffic.now -= 1
                traffic.answered += 1
                seconds = time.perf_counter() - began
                method = scope["method"] if scope["method"] in METHODS else "other"
                route = route_template(scope)
                metrics.HTTP_SECONDS.labels(method, route, status).observe(seconds)
                span.update_name(f"{method} {route}")
                span.set_attributes({"http.route": route, "http.response.status_code": status})
                log.info(
                    "request.answered",
                    method=method,
                    route=route,
                    **numbered(scope),
                    status=status,
                    milliseconds=round(seconds * 1000, 1),
                )


class BodyLimit:
    """Refuses a body of more than `limit` bytes before it is in memory; routes that stream theirs are `exempt`."""

    def __init__(self, app: ASGIApp, *, limit: int, exempt: re.Pattern[str]) -> None:
        self._app = app
        self._limit = limit
        self._exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or self._exempt.fullmatch(scope["path"]):
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
    """The route's path as it was written: one series of a metric for all campaigns, and no user's id in a log."""
    return str(getattr(scope.get("route"), "path", "unmatched"))


def numbered(scope: Scope) -> dict[str, str]:
    """Of a matched address, the numbers that are ours.

    >>> numbered({"path_params": {"campaign_id": "7", "user_id": "4711"}})
    {'campaign_id': '7'}
    """
    found: dict[str, Any] = scope.get("path_params") or {}
    return {name: value for name, value in found.items() if name in NUMBERED and str(value).isdecimal()}
