"""What sending a campaign would mean: batches, time, share of quota, and what speaks against it. Pure.

The time is a sketch: each project's part flows at what the quota's governor leaves to the campaign's lane while the
other campaigns of now go on, and what has to be tried again comes behind.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.contracts.content import MAX_PAYLOAD
from shared.contracts.messages import MAX_BATCH
from shared.ledger import quota
from shared.topology import Lane

STALE_DAYS = 30
"""Days without a sign after which FCM calls a token stale."""
STALE_SHARE = 0.2
"""Share of stale devices that is worth a word: quota spent on apps that are gone."""
QUARTER = 15
"""Minutes between the moments at which half the world sends: FCM asks to stay away from them."""
AROUND = timedelta(minutes=1)
"""How far on either side of these moments."""
CLOSE_SIZE = 0.9
"""Share of FCM's limit from which on a payload counts as nearly too large."""


@dataclass(frozen=True, slots=True)
class Recipients:
    """Devices of one project and platform; `stale` of them have not been seen for long."""

    project: str
    platform: str
    devices: int
    stale: int = 0


@dataclass(frozen=True, slots=True)
class ProjectState:
    """A project as it is: its quota's rate in force, and what stops it."""

    id: str
    rate: float
    paused_for: float = 0.0
    circuit: str | None = None
    stopped_platforms: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Other:
    """Another campaign that is under way or scheduled near."""

    id: int
    title: str
    lane: Lane
    sending: bool
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The campaign and the moment of its send."""

    start: datetime
    lane: Lane
    rate: float | None
    ttl: timedelta
    sizes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that speaks against sending it like this."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Share:
    """A project's part: messages a second that the campaign may expect, and how long they take."""

    project: str
    devices: int
    batches: int
    rate: float
    quota_share: float
    seconds: float


def batch_size(rate: float | None) -> int:
    """Devices in a batch, as the planner cuts them: the most, or a second's worth of the campaign's own rate."""
    return MAX_BATCH if rate is None else max(1, min(MAX_BATCH, int(rate)))


def lane_share(lane: Lane, others: Sequence[Other]) -> float:
    """Share of a saturated quota that a campaign of this lane gets beside the others that send.

    >>> lane_share(Lane.HIGH, [])
    1.0
    """
    lanes = [other.lane for other in others if other.sending]
    return quota.shares({lane, *lanes})[lane] / (1 + lanes.count(lane))


def shares(
    plan: Plan, parts: Sequence[Recipients], projects: Mapping[str, ProjectState], others: Sequence[Other]
) -> list[Share]:
    """By project, in their order."""
    part_of_quota = lane_share(plan.lane, others)
    total = sum(part.devices for part in parts)
    found = []
    for name in sorted({part.project for part in parts}):
        devices = sum(part.devices for part in parts if part.project == name)
        if not devices:
            continue
        rate = projects[name].rate
        expected = rate * part_of_quota
        if plan.rate is not None:
            expected = min(expected, plan.rate * devices / total)
        found.append(
            Share(
                project=name,
                devices=devices,
                batches=math.ceil(devices / batch_size(plan.rate)),
                rate=expected,
                quota_share=expected / rate,
                seconds=projects[name].paused_for + devices / expected,
            )
        )
    return found


def warnings(
    plan: Plan,
    parts: Sequence[Recipients],
    projects: Mapping[str, ProjectState],
    others: Sequence[Other],
    *,
    finish: datetime,
) -> list[Warned]:
    """What an operator should know before sending."""
    return [*_about_time(plan, others, finish), *_about_devices(parts), *_about_size(plan), *_about_projects(projects)]


def _about_time(plan: Plan, others: Sequence[Other], finish: datetime) -> Iterator[Warned]:
    if near_quarter(plan.start):
        yield Warned(
            "quarter_hour",
            f"It starts at {plan.start:%H:%M:%S %Z}, within a minute of a quarter of an hour, when FCM is busiest: "
            "a few minutes later it goes out sooner.",
        )
    clashing = [other for other in others if other.sending or (other.at is not None and other.at <= finish)]
    if clashing:
        named = ", ".join(f"{other.id} ({other.title})" for other in clashing[:5])
        more = f" and {len(clashing) - 5} more" if len(clashing) > 5 else ""  # noqa: PLR2004 - as many as named
        yield Warned("clash", f"It shares the quota with other campaigns: {named}{more}.")
    if plan.start + plan.ttl < finish:
        yield Warned(
            "expires_first",
            f"It expires {plan.ttl.total_seconds():,.0f} s after its start and takes "
            f"{(finish - plan.start).total_seconds():,.0f} s: part of its devices will expire unsent.",
        )


def _about_devices(parts: Sequence[Recipients]) -> Iterator[Warned]:
    devices, stale = sum(part.devices for part in parts), sum(part.stale for part in parts)
    if not devices:
        yield Warned("nobody", "Nobody is in its audience now: it would complete at once.")
    elif stale > STALE_SHARE * devices:
        yield Warned(
            "stale",
            f"{stale / devices:.0%} of its devices have not been seen for {STALE_DAYS} days; many are gone, and each "
            "costs quota.",
        )


def _about_size(plan: Plan) -> Iterator[Warned]:
    for platform, size in plan.sizes.items():
        if size > CLOSE_SIZE * MAX_PAYLOAD:
            yield Warned("large", f"Its payload is {size} bytes for {platform}; FCM takes {MAX_PAYLOAD}.")


def _about_projects(projects: Mapping[str, ProjectState]) -> Iterator[Warned]:
    for project in projects.values():
        if project.circuit is not None:
            yield Warned("circuit_open", f"FCM refuses project {project.id} now: {project.circuit}.")
        if project.paused_for > 0:
            yield Warned("project_paused", f"Project {project.id} pauses for another {project.paused_for:.0f} s.")
        for platform, reason in (project.stopped_platforms or {}).items():
            yield Warned("platform_stopped", f"FCM refuses {platform} of project {project.id} now: {reason}.")


def near_quarter(moment: datetime) -> bool:
    """Whether a moment is within a minute of :00, :15, :30 or :45.

    >>> near_quarter(datetime(2026, 11, 22, 9, 14, 30)), near_quarter(datetime(2026, 11, 22, 9, 17))
    (True, False)
    """
    past = timedelta(minutes=moment.minute % QUARTER, seconds=moment.second, microseconds=moment.microsecond)
    return past <= AROUND or timedelta(minutes=QUARTER) - past <= AROUND
