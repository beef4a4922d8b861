"""Idempotency-Key: a POST that is sent again is answered again, not done again.

| the same key comes | answer |
|---|---|
| with the same request, answered | the kept answer, with `Idempotency-Replayed: true` |
| with another request | 422 `idempotency-key-reused` |
| while the first is under way | 409 `request-in-progress` |
| after the first died before its change | done now |
| after the first died behind its change | 409 `answer-lost`, naming what was changed |

The row is taken before the handler runs. `audit` marks it in the transaction of the change, so that what was done and
what is known of it cannot differ; a request whose row was taken over commits nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row

from services.api.http.problems import (
    ANSWER_LOST,
    KEY_REUSED,
    REPEATED,
    ProblemError,
)
from shared.db import Database, Writer

UNDER_WAY = 120.0
"""Seconds after which a request that has not ended counts as dead: no statement runs longer than 60."""
KEPT = 24
"""Hours that an answer is kept."""

TAKE = text("""
    insert into idempotency as kept (key_id, key, fingerprint, holder)
    values (:key_id, :key, :fingerprint, :holder)
    on conflict (key_id, key) do update
       set fingerprint = excluded.fingerprint, holder = excluded.holder, resource = null, ended = false,
           status = null, headers = null, body = null, created_at = clock_timestamp()
     where kept.created_at < now() - make_interval(hours => :kept)
        or (kept.status is null and kept.resource is null and not kept.ended
            and kept.fingerprint = excluded.fingerprint
            and kept.created_at < now() - make_interval(secs => :under_way))
    returning holder
""")
LOOK = text("""
    select fingerprint, resource, ended, status, headers, body,
           created_at < now() - make_interval(secs => :under_way) as old
      from idempotency where key_id = :key_id and key = :key
""")
MARK = text("""
    update idempotency set resource = :resource
     where key_id = :key_id and key = :key and holder = :holder and status is null
""")
KEEP = text("""
    update idempotency
       set status = :status, headers = cast(:headers as jsonb), body = :body, ended = true,
           fingerprint = fingerprint || cast(:streamed as bytea)
     where key_id = :key_id and key = :key and holder = :holder and status is null
""")
LET_GO = text("""
    delete from idempotency
     where key_id = :key_id and key = :key and holder = :holder and status is null and resource is null
""")
LOSE = text("""
    update idempotency set ended = true
     where key_id = :key_id and key = :key and holder = :holder and status is null
""")


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request's right to be the one that takes effect under its key."""

    key_id: int
    key: str
    holder: str

    def values(self) -> dict[str, Any]:
        """The row's key and holder."""
        return {"key_id": self.key_id, "key": self.key, "holder": self.holder}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is kept; `streamed` is the digest of the request's body where that came as a stream."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    streamed: bytes = b""


def fingerprint(method: str, path: str, query: bytes, body: bytes) -> bytes:
    """What tells two requests apart: where they go and what they say.

    Of a streamed request it is where it goes; the digest of its body is only known behind it, and kept then.
    """
    hashed = hashlib.sha256()
    for part in (method.encode(), path.encode(), query, body):
        hashed.update(len(part).to_bytes(8, "big") + part)
    return hashed.digest()


async def take(database: Database, ticket: Ticket, request: bytes) -> Answer | None:
    """Take the key for this request: None, and it is ours; else the answer that was given to it before.

    Raises `ProblemError` for another request's key and for one that is under way or whose answer is lost.
    """
    values = {**ticket.values(), "fingerprint": request, "kept": KEPT, "under_way": UNDER_WAY}
    async with database.write() as tx:
        if await tx.first(TAKE, values) is not None:
            return None
        row = await tx.first(LOOK, values)
    if row is None:
        raise ProblemError(REPEATED, "The request that had this Idempotency-Key has just failed. Send it again.")
    return _answer(row, request)


def reused() -> ProblemError:
    """The refusal of another request's key."""
    return ProblemError(
        KEY_REUSED, "This Idempotency-Key came with another address or body before. Use a new key for it."
    )


def _answer(row: Row[Any], request: bytes) -> Answer:
    if not row.fingerprint.startswith(request):
        raise reused()
    if row.status is not None:
        return Answer(row.status, row.headers, row.body, row.fingerprint[len(request) :])
    if row.ended or (row.old and row.resource is not None):
        raise ProblemError(
            ANSWER_LOST,
            f"This was done, and its answer is not kept or was lost with the process. See /v1/{row.resource}.",
            resource=row.resource,
        )
    raise ProblemError(REPEATED, "The first request with this Idempotency-Key is still under way. Send it again later.")


async def mark_done(tx: Writer, ticket: Ticket, resource: str) -> None:
    """Note in the change's own transaction that it takes effect; raises `ProblemError` when it may not."""
    if not await tx.run(MARK, {**ticket.values(), "resource": resource[:500]}):
        raise ProblemError(REPEATED, "A repeated request has taken this Idempotency-Key over; this one did nothing.")


async def keep(database: Database, ticket: Ticket, answer: Answer) -> None:
    """Keep the answer for repeated requests."""
    values = {
        "status": answer.status,
        "headers": json.dumps(dict(answer.headers)),
        "body": answer.body,
        "streamed": answer.streamed,
    }
    async with database.write() as tx:
        await tx.run(KEEP, {**ticket.values(), **values})


async def lose(database: Database, ticket: Ticket) -> None:
    """The request is done, and its answer is not to be kept."""
    async with database.write() as tx:
        await tx.run(LOSE, ticket.values())


async def let_go(database: Database, ticket: Ticket) -> None:
    """The request came to nothing: the next one with its key is done; but what took effect is never done again."""
    async with database.write() as tx:
        if not await tx.run(LET_GO, ticket.values()):
            await tx.run(LOSE, ticket.values())
