"""Around every handler that may change something: its Idempotency-Key before, its audit entry and its answer after."""

import re
import uuid
from collections.abc import Iterable
from dataclasses import replace

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.access import idempotency
from services.api.access.audit import Change, address, enter
from services.api.access.bodies import (
    Digested,
    again,
    digest_of,
    whole,
)
from services.api.access.idempotency import Answer, Ticket
from services.api.http.faults import AWAY, http_problem, unavailable_problem
from services.api.http.headers import KEY_HEADER
from services.api.http.problems import INVALID, ProblemError, problem_response
from shared.db import Database
from shared.errors import UnavailableError

log = structlog.get_logger()

CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
UNCHANGING = frozenset(
    {
        ("POST", "/v1/audiences/estimate"),
        ("POST", "/v1/campaigns/forecast"),
        ("GET", "/v1/campaigns/{campaign_id}/forecast"),
        ("POST", "/v1/devices"),
        ("PUT", "/v1/devices"),
    }
)
"""Not in the audit log: what only asks, and the upsert of one device, which apps do at each start, a million a day."""

KEY_FORM = re.compile(r"[\x21-\x7e]{1,255}")
NOT_KEPT = frozenset({401, 403, 413, 429})
"""Statuses that do not depend on the request itself; like those of 500 and up they free the key."""
MAX_ANSWER = 1_048_576
"""Bytes of an answer that are kept; no answer to a POST comes near."""
KEPT_HEADERS = ("content-type", "location", "etag")


class Changes:
    """Serves requests that do not change anything as they are; bodies of the paths in `streams` are of any length."""

    def __init__(self, app: ASGIApp, *, database: Database, streams: re.Pattern[str]) -> None:
        self._app = app
        self._database = database
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] not in CHANGING or "principal" not in scope.get("state", {}):
            await self._app(scope, receive, send)
            return
        change = Change()
        scope["state"]["change"] = change
        key = Headers(scope=scope).get(KEY_HEADER)
        if key is None or scope["method"] != "POST":
            await self._serve(scope, receive, send, change)
        elif not KEY_FORM.fullmatch(key):
            await _bad_key(scope, receive, send)
        else:
            await self._once(key, scope, receive, send, change)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, change: Change) -> None:
        """Serve it, and enter it in the audit log before the answer leaves, if its handler has not."""

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:  # noqa: PLR2004 - RFC 9110's line
                await self._enter(scope, change)
            await send(message)

        await self._app(scope, receive, answer)

    async def _enter(self, scope: Scope, change: Change) -> None:
        template = str(getattr(scope.get("route"), "path", ""))
        if change.audited or (scope["method"], template) in UNCHANGING:
            return
        resource = change.resource or address(scope)
        try:
            async with self._database.write() as tx:
                await enter(tx, scope, resource, after=change.after)
        except (UnavailableError, SQLAlchemyError) as error:
            # The change is made: its answer must not say otherwise. The log keeps what the table could not.
            log.error("audit.not_written", resource=resource, method=scope["method"], error=str(error))  # noqa: TRY400

    async def _once(self, key: str, scope: Scope, receive: Receive, send: Send, change: Change) -> None:
        """Serve it as the one request of its key, or as it was answered before."""
        ticket = Ticket(scope["state"]["principal"].key_id, key, uuid.uuid4().hex)
        stream = Digested(receive) if self._streams.fullmatch(scope["path"]) else None
        try:
            body = await whole(receive) if stream is None else b"streamed"
            asked = idempotency.fingerprint(scope["method"], scope["path"], scope["query_string"], body)
            known = await idempotency.take(self._database, ticket, asked)
            if known is not None and stream is not None and await digest_of(receive) != known.streamed:
                raise idempotency.reused()
        except ProblemError as error:
            await problem_response(error.kind, error.detail, error.more)(scope, receive, send)
            return
        except HTTPException as error:
            await http_problem(scope, error)(scope, receive, send)
            return
        except AWAY as error:
            await unavailable_problem(error)(scope, receive, send)
            return
        if known is not None:
            headers = {**known.headers, "Idempotency-Replayed": "true"}
            await Response(known.body, known.status, headers)(scope, receive, send)
            return
        change.ticket = ticket
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        try:
            await self._serve(scope, stream or again(body, receive), hold, change)
        except BaseException:
            await self._let_go(ticket)
            raise
        await self._settle(change, ticket, _answer(held), stream)
        for message in held:
            await send(message)

    async def _settle(self, change: Change, ticket: Ticket, answer: Answer, stream: Digested | None) -> None:
        """Keep the answer, or free the key where there is none worth keeping."""
        unread = stream is not None and not stream.whole
        if unread or answer.status >= 500 or answer.status in NOT_KEPT or len(answer.body) > MAX_ANSWER:  # noqa: PLR2004
            await self._let_go(ticket)
            return
        answer = replace(answer, streamed=b"" if stream is None else stream.digest())
        try:
            if change.secret and answer.status < 400:  # noqa: PLR2004 - a refusal holds no secret
                await idempotency.lose(self._database, ticket)
            else:
                await idempotency.keep(self._database, ticket, answer)
        except (UnavailableError, SQLAlchemyError) as error:
            log.warning("idempotency.not_kept", error=str(error))

    async def _let_go(self, ticket: Ticket) -> None:
        try:
            await idempotency.let_go(self._database, ticket)
        except (UnavailableError, SQLAlchemyError) as error:
            # It counts as under way for two minutes, and is then done or told, by what was marked.
            log.warning("idempotency.not_let_go", error=str(error))


async def _bad_key(scope: Scope, receive: Receive, send: Send) -> None:
    said = "give 1 to 255 printable ASCII characters without spaces, such as a UUID"
    fault = {"parameter": KEY_HEADER, "detail": said, "code": "idempotency_key"}
    await problem_response(INVALID, f"{KEY_HEADER}: {said}.", {"errors": [fault]})(scope, receive, send)


def _answer(held: Iterable[Message]) -> Answer:
    status, headers, body = 500, Headers(), b""
    for message in held:
        if message["type"] == "http.response.start":
            status, headers = message["status"], Headers(raw=message["headers"])
        elif message["type"] == "http.response.body":
            body += message.get("body", b"")
    return Answer(status, {name: headers[name] for name in KEPT_HEADERS if name in headers}, body)
