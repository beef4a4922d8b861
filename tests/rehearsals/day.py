"""What a bad day is, and what came of it."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

HEALTHY: Mapping[str, Any] = {"shares": {}}
"""The emulator's script on a good day: everything is accepted."""
NOTEWORTHY = (
    "project.circuit_opened",
    "project.circuit_closed",
    "project.platform_stopped",
    "project.platform_released",
    "campaign.stopped",
    "campaign.completed",
)
"""Events that a day must name, or they must not be heard."""

Range = tuple[int, int]
ONCE: Range = (1, 1)
SOME: Range = (1, 99)
AT_MOST_ONCE = {"delivery": "at_most_once"}


@dataclass(frozen=True, slots=True)
class Played:
    """A day's end: the campaign's letters, what was heard, what the emulator counted, the project's row.

    `notes`: what the sender's readiness said while the trouble was on, and `early` how many devices were accepted when
    it ended. `refreshes`: access tokens granted meanwhile.
    """

    letters: Counter[str]
    heard: Counter[str]
    duplicates: int
    answers: Mapping[str, int]
    inactive: int
    refreshes: int
    project: Mapping[str, Any]
    notes: str
    early: int
    seconds: float
    faults: list[str] = field(default_factory=list)


Check = Callable[["Day", Played], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Day:
    """One campaign to `devices` (a third iOS) at `rate` messages a second, with trouble in its middle.

    `script` comes in force after `good` messages, 0: before the first; `ios`: what iOS tokens get meanwhile.
    `strike`: a control route of the emulator that is called then. The trouble `lasts` seconds, None: to the end.
    `split`: every second device belongs to another project, and the trouble is that project's alone.
    `resume`: an operator resumes the campaign once it was stopped. `events`: how often each must be heard.
    """

    name: str
    story: str
    script: Mapping[str, Any] = field(default_factory=lambda: HEALTHY)
    ios: str | None = None
    strike: str | None = None
    good: int = 500
    lasts: float | None = None
    devices: int = 3_000
    rate: float = 1_000.0
    campaign: Mapping[str, Any] = field(default_factory=dict)
    split: bool = False
    resume: bool = False
    events: Mapping[str, Range] = field(default_factory=dict)
    duplicates: bool = False
    checks: tuple[Check, ...] = ()
    within: float = 120.0


def all_accepted(day: Day, played: Played) -> Iterable[str]:
    """Nobody lost the message to the trouble."""
    if played.letters["A"] != day.devices:
        yield f"all {day.devices} devices should be accepted, not {dict(played.letters)}"


def no_token_lost(_day: Day, played: Played) -> Iterable[str]:
    """Nothing but UNREGISTERED kills a token."""
    if played.inactive:
        yield f"{played.inactive} devices were deactivated"


def few(answer: str, most: int) -> Check:
    """FCM was not asked again and again for the same answer."""

    def check(_day: Day, played: Played) -> Iterable[str]:
        if (got := played.answers.get(answer, 0)) > most:
            yield f"{answer} was heard {got} times, more than {most}: nobody stopped asking"

    return check


def seen(answer: str, least: int = 1) -> Check:
    """The trouble did happen, or the rehearsal rehearsed nothing."""

    def check(_day: Day, played: Played) -> Iterable[str]:
        if (got := played.answers.get(answer, 0)) < least:
            yield f"{answer} was heard {got} times, fewer than {least}: the trouble missed the campaign"

    return check


def told(words: str) -> Check:
    """The sender's readiness said why."""

    def check(_day: Day, played: Played) -> Iterable[str]:
        if words not in played.notes:
            yield f"readiness did not say '{words}' but '{played.notes}'"

    return check


def only(letters: str, *, each: int = 1) -> Check:
    """Devices ended with these letters and no others, with each at least so often."""

    def check(_day: Day, played: Played) -> Iterable[str]:
        if set(played.letters) - set(letters):
            yield f"outcomes other than {letters}: {dict(played.letters)}"
        if any(played.letters[letter] < each for letter in letters):
            yield f"each of {letters} was expected at least {each} times: {dict(played.letters)}"

    return check
