"""The gate: below `/v1` every request needs a key, and every key has its rate limit."""

import math
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.access.keys import Keys
from services.api.access.limits import Limits
from services.api.access.roles import Principal
from services.api.http.faults import AWAY, unavailable_problem
from services.api.http.problems import TOO_MANY, UNAUTHORIZED, problem_response

log = structlog.get_logger()

GUARDED = "/v1/"


class Gate:
    """Sets `principal` on the request, or answers 401 or 429 before anything of the body is read."""

    def __init__(self, app: ASGIApp, *, keys: Keys, limits: Limits) -> None:
        self._app = app
        self._keys = keys
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not scope["path"].startswith(GUARDED):
            await self._app(scope, receive, send)
            return
        try:
            found = await self._authenticate(Headers(scope=scope).get("authorization", ""))
        except AWAY as error:
            await unavailable_problem(error)(scope, receive, send)
            return
        if isinstance(found, str):
            await problem_response(UNAUTHORIZED, found)(scope, receive, send)
            return
        structlog.contextvars.bind_contextvars(key=found.name)
        allowance = self._limits.take(found, now=time.monotonic())
        headers = allowance.headers()
        if allowance.wait is not None:
            wait = math.ceil(allowance.wait)
            detail = f"The key '{found.name}' may make {allowance.quota} requests at once. Try again in {wait} s."
            refusal = problem_response(TOO_MANY, detail, headers={**headers, "Retry-After": str(wait)})
            await refusal(scope, receive, send)
            return
        scope.setdefault("state", {})["principal"] = found

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        await self._app(scope, receive, answer)

    async def _authenticate(self, authorization: str) -> Principal | str:
        scheme, _, offered = authorization.partition(" ")
        if scheme.lower() != "bearer" or not offered:
            return "Send a key in the header `Authorization: Bearer <key>`."
        found = await self._keys.find(offered.strip())
        return found or "This key is unknown, expired or revoked."
