"""`/v1/dead-letters`: what nobody could handle, to be looked at, replayed or discarded."""

from collections import Counter
from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from services.api.access.audit import describe, unchanged
from services.api.access.roles import Admin, Operator, Viewer
from services.api.http.content_type import is_json
from services.api.http.problems import (
    MALFORMED,
    MEDIA,
    NO_DEAD_LETTER,
    TOO_LARGE,
    UNAUTHORIZED,
    ProblemError,
    documented,
)
from services.api.resources import resources
from services.api.system.dead_letter_desk import MOST, DeadLetterDesk, Look, Settled
from services.api.system.dead_letters import Choice, Letter
from shared.contracts.platforms import Shape

router = APIRouter(prefix="/v1/dead-letters", tags=["system"], responses=documented(UNAUTHORIZED))

MAX_BODY = 65_536
"""Characters of a body that are shown."""
NAME = r"^[^\x00]*$"

EXAMPLE: dict[str, Any] = {
    "id": "b1946ac92492d2347c6235b4d2611184",
    "type": "push.batch.v1",
    "queue": "sender.high",
    "routing_key": "new.high",
    "reason": "push.batch.v1: size: Input should be less than or equal to 500",
    "campaign_id": "7",
    "request_id": "4f1c",
    "died_at": "2026-11-22T09:00:00Z",
    "size": 121,
    "replayable": True,
}
EXAMPLE_LISTING: dict[str, Any] = {
    "ready": 1,
    "looked_at": 1,
    "complete": True,
    "groups": [{"queue": "sender.high", "reason": EXAMPLE["reason"], "count": 1}],
    "items": [EXAMPLE],
}


class DeadLetter(BaseModel):
    """A message that nobody could handle."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: str
    type: str | None
    queue: str = Field(description="Where it was; a replay puts it back there")
    routing_key: str
    reason: str = Field(description="Why it died")
    campaign_id: str | None
    request_id: str | None = Field(description="The request that caused it")
    died_at: datetime | None
    size: int = Field(description="Bytes of its body")
    replayable: bool

    @classmethod
    def of(cls, letter: Letter) -> Self:
        """Tell a letter."""
        return cls(**_told(letter))


class OpenDeadLetter(DeadLetter):
    """A dead letter with its body and headers."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**EXAMPLE, "body": '{"campaign_id":7}', "headers": {"carillon-attempt": "1"}}]}
    )

    body: str = Field(description=f"As text; what is no UTF-8 is replaced, and {MAX_BODY:,} characters are shown")
    headers: dict[str, str] = Field(description="Those that a replay sends along")


class DeadLetterGroup(BaseModel):
    """Letters that died alike."""

    queue: str
    reason: str
    count: int


class DeadLetterPage(BaseModel):
    """What lies in `dead`."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_LISTING]})

    ready: int = Field(description="Letters in the queue")
    looked_at: int
    complete: bool = Field(description=f"Whether all were looked at; a look sees {MOST} at the most, the oldest")
    groups: list[DeadLetterGroup] = Field(description="Of those that match, the largest first")
    items: list[DeadLetter] = Field(description="Of those that match, the oldest first")


class DeadLetterSelection(Shape):
    """Which letters. What is given restricts; nothing given is refused, so that nobody means all by mistake."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"queue": "sender.high", "dry_run": True}]})

    ids: list[Annotated[str, Field(max_length=500)]] | None = Field(None, min_length=1, max_length=MOST)
    queue: str | None = Field(None, max_length=255)
    reason: str | None = Field(None, max_length=500, description="The whole of it, as it was listed")
    all: bool = Field(False, strict=True, description="All there are, or all that match the rest")
    dry_run: bool = Field(False, strict=True, description="Only tell how many it would be")

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if self.ids is None and self.queue is None and self.reason is None and not self.all:
            raise PydanticCustomError("chosen", "say which: ids, queue, reason, or all: true")
        return self

    def choice(self) -> Choice:
        """What it says."""
        return Choice(None if self.ids is None else frozenset(self.ids), self.queue, self.reason)


class Outcome(BaseModel):
    """What came of a replay or of discarding."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"matched": 3, "done": 3, "failed": {}, "complete": True, "dry_run": False}],
        }
    )

    matched: int
    done: int = Field(description="Replayed and confirmed in their queue, or discarded; 0 in a dry run")
    failed: dict[str, int] = Field(description="Those that stay, by why")
    complete: bool = Field(description=f"Whether all letters were looked at; if not ({MOST} at once), repeat it")
    dry_run: bool


CHOSEN = Body(
    openapi_examples={
        "dry": {"summary": "How many it would be", "value": {"queue": "sender.high", "dry_run": True}},
        "all": {"summary": "All of them", "value": {"all": True}},
    }
)


@router.get("")
async def list_dead_letters(
    request: Request,
    _: Viewer,
    queue: Annotated[str | None, Query(max_length=255, pattern=NAME, description="Only from this queue")] = None,
    reason: Annotated[str | None, Query(max_length=500, pattern=NAME, description="Only with this reason")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
) -> DeadLetterPage:
    """Look at dead letters, the oldest first, and group them. They stay where they are."""
    seen = await resources(request).of(DeadLetterDesk).look()
    choice = Choice(queue=queue, reason=reason)
    matching = [letter for letter in seen.letters if choice.takes(letter)]
    groups = Counter((letter.queue, letter.reason) for letter in matching)
    return DeadLetterPage(
        ready=seen.ready,
        looked_at=len(seen.letters),
        complete=seen.complete,
        groups=[DeadLetterGroup(queue=key[0], reason=key[1], count=count) for key, count in groups.most_common()],
        items=[DeadLetter.of(letter) for letter in matching[:limit]],
    )


@router.get("/{letter_id}", responses=documented(NO_DEAD_LETTER))
async def get_dead_letter(
    request: Request, _: Viewer, letter_id: Annotated[str, Path(max_length=500, description="The letter's id")]
) -> OpenDeadLetter:
    """Read one dead letter whole."""
    seen = await resources(request).of(DeadLetterDesk).look()
    for letter in seen.letters:
        if letter.id == letter_id:
            headers = {name: str(value)[:MAX_BODY] for name, value in letter.headers.items()}
            return OpenDeadLetter(
                **_told(letter), body=letter.body.decode(errors="replace")[:MAX_BODY], headers=headers
            )
    raise ProblemError(NO_DEAD_LETTER, "It is not among the dead letters. GET /v1/dead-letters lists them.")


@router.post("/replay", dependencies=[is_json], responses=documented(MALFORMED, TOO_LARGE, MEDIA))
async def replay_dead_letters(request: Request, _: Operator, chosen: Annotated[DeadLetterSelection, CHOSEN]) -> Outcome:
    """Put dead letters back into the queues they came from.

    Each is confirmed there before it leaves here. What it asks for is checked against the ledger as ever, so replaying
    what has long been done sends nothing twice.
    """
    desk = resources(request).of(DeadLetterDesk)
    if chosen.dry_run:
        return _dry(request, await desk.look(), chosen)
    return _done(request, chosen, await desk.replay(chosen.choice()))


@router.post("/discard", dependencies=[is_json], responses=documented(MALFORMED, TOO_LARGE, MEDIA))
async def discard_dead_letters(request: Request, _: Admin, chosen: Annotated[DeadLetterSelection, CHOSEN]) -> Outcome:
    """Throw dead letters away. No device is lost by it: whatever they referred to, the ledger's sweeps bring back."""
    desk = resources(request).of(DeadLetterDesk)
    if chosen.dry_run:
        return _dry(request, await desk.look(), chosen)
    return _done(request, chosen, await desk.discard(chosen.choice()))


def _dry(request: Request, seen: Look, chosen: DeadLetterSelection) -> Outcome:
    unchanged(request)
    choice = chosen.choice()
    matched = sum(1 for letter in seen.letters if choice.takes(letter))
    return Outcome(matched=matched, done=0, failed={}, complete=seen.complete, dry_run=True)


def _done(request: Request, chosen: DeadLetterSelection, settled: Settled) -> Outcome:
    outcome = Outcome(
        matched=settled.matched,
        done=settled.done,
        failed=settled.failed,
        complete=settled.complete,
        dry_run=False,
    )
    describe(request, "dead-letters", {"chosen": chosen.model_dump(exclude_defaults=True), **outcome.model_dump()})
    return outcome


def _told(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "type": letter.kind,
        "queue": letter.queue,
        "routing_key": letter.routing_key,
        "reason": letter.reason,
        "campaign_id": letter.correlation,
        "request_id": letter.request_id,
        "died_at": letter.died_at,
        "size": len(letter.body),
        "replayable": letter.replayable,
    }
