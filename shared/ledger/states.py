"""The states of campaigns and batches, and every transition between them.

The one place that names them: each statement that moves a row takes from here in which states it may (`at`) and where
it leads (`to`), as SQL. `docs/states.md` is written from here too.
"""

from dataclasses import dataclass
from typing import Final

DRAFT: Final = "draft"
SCHEDULED: Final = "scheduled"
SENDING: Final = "sending"
PAUSED: Final = "paused"
CANCELLING: Final = "cancelling"
COMPLETED: Final = "completed"
CANCELLED: Final = "cancelled"
FAILED: Final = "failed"

PLANNED: Final = "planned"
QUEUED: Final = "queued"
CLAIMED: Final = "claimed"
WAITING: Final = "waiting"
REPORTED: Final = "reported"
FINISHED: Final = "finished"

NOWHERE: Final = ""
"""Before a row is there, and after it is gone."""


@dataclass(frozen=True, slots=True)
class Transition:
    """Something that happens to rows in one of `sources`, and brings them to `target`.

    `what`: a sentence for people. `usual`: happens where nothing goes wrong and nobody steers.
    """

    name: str
    sources: tuple[str, ...]
    target: str
    what: str
    usual: bool = True

    @property
    def at(self) -> str:
        """The sources as SQL that follows a column: `= 'paused'`, `in ('draft', 'scheduled')`."""
        names = ", ".join(f"'{source}'" for source in self.sources)
        return f"in ({names})" if len(self.sources) > 1 else f"= {names}"

    @property
    def to(self) -> str:
        """The target as a literal of SQL."""
        return f"'{self.target}'"


CREATE = Transition(
    "create", (NOWHERE,), DRAFT, "An operator writes it; a clone, a follow-up, a test and a dry run too."
)
SCHEDULE = Transition("schedule", (DRAFT, SCHEDULED), SCHEDULED, "An operator sets its time, or another one.")
UNSCHEDULE = Transition("unschedule", (SCHEDULED,), DRAFT, "An operator takes its time away.")
DELETE = Transition("delete", (DRAFT,), NOWHERE, "An operator deletes it.")
SEND = Transition(
    "send", (DRAFT, SCHEDULED), SENDING, "An operator sends it, or its time has come; not while everything is stopped."
)
PAUSE = Transition(
    "pause",
    (SENDING,),
    PAUSED,
    "An operator pauses it, or stops everything; or FCM refuses its payload from the start.",
)
RESUME = Transition("resume", (PAUSED,), SENDING, "An operator lets it go on, by itself or by undoing a stop.")
CANCEL_UNSENT = Transition("cancel", (DRAFT, SCHEDULED), CANCELLED, "An operator cancels it before it was sent.")
CANCEL = Transition("cancel", (SENDING, PAUSED), CANCELLING, "An operator cancels it; what nobody holds is closed.")
COMPLETE = Transition(
    "complete", (SENDING, PAUSED), COMPLETED, "Its audience is planned to the end, and every device has its letter."
)
END_CANCEL = Transition("end", (CANCELLING,), CANCELLED, "The same, of a campaign that is being cancelled.")

CAMPAIGN = (*(CREATE, SCHEDULE, UNSCHEDULE, DELETE, SEND, PAUSE, RESUME, CANCEL_UNSENT, CANCEL, COMPLETE, END_CANCEL),)
"""Every transition of a campaign."""
CAMPAIGN_STATES = (DRAFT, SCHEDULED, SENDING, PAUSED, CANCELLING, COMPLETED, CANCELLED, FAILED)
"""Every state that the schema knows; nothing leads to `failed` yet."""
ENDED = frozenset({COMPLETED, CANCELLED, FAILED})
"""States of a campaign whose ledger is final."""

CUT = Transition("cut", (NOWHERE,), PLANNED, "A planning step makes it.")
PUBLISH = Transition("publish", (PLANNED,), QUEUED, "The broker has confirmed its message.")
CLAIM = Transition(
    "claim",
    (PLANNED, QUEUED, WAITING),
    CLAIMED,
    "A sender has its message, and quota for it. A sender may be quicker than the planner's note that it is queued.",
)
GIVE_BACK = Transition(
    "give back",
    CLAIM.sources,
    PLANNED,
    "A sender may not send it now: no quota in time, a project that FCM refuses, a paused campaign. Next epoch.",
    usual=False,
)
REPORT = Transition("report", (CLAIMED,), REPORTED, "Its sender has a letter for every device. Next epoch.")
RETRY = Transition("retry", (CLAIMED,), WAITING, "Its sender has devices left to try again later. Next epoch.")
MERGE = Transition("merge", (REPORTED,), FINISHED, "The aggregator has counted its letters.")
MERGE_EARLY = Transition(
    "merge",
    (PLANNED, QUEUED, CLAIMED, WAITING),
    FINISHED,
    "A result of an earlier epoch, of a sender that had lost its lease, brings the last letters.",
    usual=False,
)
CHANGE_LANE = Transition(
    "change lane",
    (PLANNED, QUEUED),
    PLANNED,
    "An operator gives its campaign another priority. Next epoch.",
    usual=False,
)
SWEEP = Transition(
    "sweep",
    (QUEUED, WAITING),
    PLANNED,
    "Its message seems lost: it is published again, at the same epoch.",
    usual=False,
)
LOSE = Transition(
    "lose", (CLAIMED,), PLANNED, "Its lease has ended without a word of its sender. Next epoch.", usual=False
)
GIVE_UP = Transition(
    "give up",
    (CLAIMED,),
    REPORTED,
    "The same with `at_most_once`, or for the fifth time: what is open ends as unknown. Next epoch.",
    usual=False,
)
CLOSE = Transition(
    "close",
    (PLANNED, QUEUED, WAITING),
    REPORTED,
    "Its campaign is being cancelled: what is open ends as cancelled. Next epoch.",
    usual=False,
)

BATCH = (
    *(CUT, PUBLISH, CLAIM, RETRY, REPORT, MERGE),
    *(GIVE_BACK, CHANGE_LANE, SWEEP, LOSE, GIVE_UP, CLOSE, MERGE_EARLY),
)
"""Every transition of a batch."""
BATCH_STATES = (PLANNED, QUEUED, CLAIMED, WAITING, REPORTED, FINISHED)
