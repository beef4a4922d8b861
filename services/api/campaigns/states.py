"""What each state of a campaign allows, and the refusal of the rest."""

from typing import Any, NoReturn

from services.api.campaigns import store
from services.api.http.problems import (
    LEDGER_DELETED,
    NO_CAMPAIGN,
    STOPPED,
    WRONG_STATE,
    ProblemError,
)
from shared.db import Reader
from shared.ledger import campaigns as ledger

POSSIBLE = {
    "draft": ("send", "schedule", "edit", "delete", "cancel"),
    "scheduled": ("send", "schedule", "unschedule", "edit", "cancel"),
    "sending": ("pause", "cancel", "steer"),
    "paused": ("resume", "cancel", "steer"),
    "completed": ("follow-up",),
    "cancelled": ("follow-up",),
    "failed": ("follow-up",),
}
"""By state; to steer is to PATCH rate and priority. Reading, cloning, testing and dry runs are possible in all."""
UNSENT = frozenset({"draft", "scheduled"})
UNDER_WAY = frozenset({"sending", "paused"})


async def refuse(tx: Reader, campaign_id: int, verb: str) -> NoReturn:
    """Say why the ledger did not do it."""
    state = found(await ledger.status(tx, campaign_id), campaign_id)
    stop = await store.system_stop(tx) if verb == "send" and state in UNSENT else None
    if stop is not None:
        raise ProblemError(
            STOPPED,
            f"{stop.created_by} stopped everything at {stop.created_at:%Y-%m-%d %H:%M:%S %Z}"
            f"{f' ({stop.reason})' if stop.reason else ''}. Nothing is sent before POST /v1/resume-all.",
            stop_id=stop.id,
        )
    refuse_state(campaign_id, state, verb)


def refuse_state(campaign_id: int, state: str, verb: str) -> NoReturn:
    """Say which states allow it, and what this one does."""
    possible = POSSIBLE.get(state, ())
    raise ProblemError(
        WRONG_STATE,
        f"Campaign {campaign_id} is {state}. To {verb} one, it has to be "
        f"{' or '.join(name for name, verbs in POSSIBLE.items() if verb in verbs)}. "
        f"Possible now: {', '.join(possible) or 'nothing but reading'}.",
        state=state,
        possible=list(possible),
    )


def found(row: Any, campaign_id: int) -> Any:
    """The row, or 404."""
    if row is None:
        raise ProblemError(NO_CAMPAIGN, f"There is no campaign {campaign_id}. GET /v1/campaigns lists them.")
    return row


def found_with_ledger(row: Any, campaign_id: int) -> Any:
    """The row, or 404; or 410 once what is known of each device is deleted, so that nobody takes it for nobody."""
    found(row, campaign_id)
    if row.ledger_deleted_at is not None:
        raise ProblemError(
            LEDGER_DELETED,
            f"What became of each device of campaign {campaign_id} was deleted on {row.ledger_deleted_at:%Y-%m-%d}, "
            f"CARILLON_RETENTION_CAMPAIGNS days after its end. Its counts stay: GET /v1/campaigns/{campaign_id}/stats.",
            ledger_deleted_at=row.ledger_deleted_at.isoformat(),
        )
    return row
