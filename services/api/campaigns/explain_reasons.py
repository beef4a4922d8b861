"""Why a campaign does not move, or no faster: from facts to reasons, the weightiest first. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from services.api.campaigns.explain_facts import Facts
from shared.amqp.depth import RENEW
from shared.topology import Lane

Figures = Mapping[str, float | int | str | None]

STUCK = 5.0
"""Seconds that a command may wait for the broker, or a report for its merge, before it counts as a reason."""
BACKLOG = 100
"""Results in the aggregator's queue that are more than a window's worth."""
AHEAD = 0.5
"""Seconds that a project's quota is booked ahead from which on it is what everybody waits for."""


@dataclass(frozen=True, slots=True)
class Hold:
    """One thing that holds a campaign: a stable code, a sentence, and its figures."""

    code: str
    detail: str
    figures: Figures = field(default_factory=dict)


def reasons(facts: Facts) -> list[Hold]:
    """Every reason that holds, the weightiest first; never none."""
    if facts.status == "sending":
        return [*([*_faults(facts), *_limits(facts)] or [_moves(facts)]), *_unseen(facts)]
    return [_state(facts)]


def _state(facts: Facts) -> Hold:
    match facts.status:
        case "draft":
            return Hold("draft", "It is a draft: nobody has sent it yet.")
        case "scheduled":
            return _scheduled(facts)
        case "paused":
            return _paused(facts)
        case "cancelling":
            return _cancelling(facts)
        case _:
            return Hold("ended", f"It is {facts.status}: nothing is left to do.")


def _scheduled(facts: Facts) -> Hold:
    if facts.stop is not None:
        return Hold("everything_stopped", f"{facts.stop} Schedules that come due wait for POST /v1/resume-all.")
    at = f" for {facts.scheduled_at:%Y-%m-%d %H:%M:%S %Z}" if facts.scheduled_at else ""
    return Hold("scheduled", f"It is scheduled{at}.")


def _cancelling(facts: Facts) -> Hold:
    held = facts.batches.get("claimed", 0)
    if held:
        until = f"{facts.lease_ends_in:.0f} s at the latest" if facts.lease_ends_in is not None else "soon"
        return Hold(
            "held_by_senders",
            f"It is being cancelled; {_batches(held)} in the hands of senders, who let go within two seconds; "
            f"a sender that died loses its batch in {until}.",
            {"claimed": held, "lease_ends_in": facts.lease_ends_in},
        )
    return Hold(
        "closing",
        f"It is being cancelled; {facts.pending} devices are pending until their results are merged.",
        {"pending": facts.pending},
    )


def _paused(facts: Facts) -> Hold:
    if facts.stopped:
        answer = ": ".join(part for part in (facts.stopped.get("code"), facts.stopped.get("message")) if part)
        return Hold(
            "payload_refused",
            f"FCM refused its message before accepting it once ({answer}), so it was paused. Cancel it and send a "
            "corrected clone, or resume it to try again.",
            dict(facts.stopped),
        )
    if facts.stop is not None:
        return Hold("everything_stopped", f"{facts.stop} POST /v1/resume-all undoes it.")
    return Hold("paused", f"It is paused; {facts.pending} devices are pending.", {"pending": facts.pending})


def _faults(facts: Facts) -> Iterator[Hold]:
    """What somebody should repair."""
    if facts.missing:
        yield Hold(
            "queue_missing",
            f"The vhost lacks {', '.join(f'queue {name}' for name in facts.missing)}: nothing comes through there. "
            "Where services may declare they put it back within seconds; elsewhere run `python -m shared.topology` "
            "as an administrator of the vhost.",
            {"queues": " ".join(facts.missing)},
        )
    elif facts.lane_depth is None and Lane(facts.lane).queue not in facts.hidden:
        yield Hold("broker_unreachable", "RabbitMQ cannot be asked: nothing goes on until it is back.")
    if facts.commands_wait > STUCK:
        yield Hold(
            "broker_blocked",
            f"The oldest command has waited {facts.commands_wait:.0f} s for RabbitMQ to take it: an alarm of its disk "
            "or memory blocks publishers, or it is away.",
            {"waited": facts.commands_wait},
        )
    yield from _project_faults(facts)
    if facts.lane_depth is not None and not facts.lane_depth.consumers:
        yield Hold(
            "no_sender",
            f"No sender serves the lane {facts.lane}; {facts.lane_depth.ready} batches are ready on it.",
            {"lane": facts.lane, "ready": facts.lane_depth.ready},
        )
    if facts.planner_depth is not None and not facts.planner_depth.consumers and not facts.planned_out:
        yield Hold("no_planner", "No planner consumes commands, and the audience is not planned out.")
    yield from _aggregator(facts)


def _project_faults(facts: Facts) -> Iterator[Hold]:
    for project in facts.projects:
        if project.circuit is not None:
            yield Hold(
                "circuit_open",
                f"FCM refuses project {project.id} ({project.circuit}); {_batches(project.open)} open there, and the "
                f"next probe goes out in {max(0.0, project.probe_in):.0f} s.",
                {"project": project.id, "open": project.open, "probe_in": project.probe_in},
            )
        elif project.paused_for > 0:
            yield Hold(
                "project_paused",
                f"FCM said that the quota of project {project.id} is used up: it pauses for another "
                f"{project.paused_for:.0f} s, with {_batches(project.open)} open.",
                {"project": project.id, "open": project.open, "seconds": project.paused_for},
            )
        for platform, why in project.platforms.items():
            yield Hold(
                "platform_stopped",
                f"FCM refuses {platform} of project {project.id} ({why}): its devices wait for a probe to succeed.",
                {"project": project.id, "platform": platform},
            )


def _aggregator(facts: Facts) -> Iterator[Hold]:
    depth = facts.results_depth
    if depth is not None and not depth.consumers:
        yield Hold("no_aggregator", f"No aggregator merges results; {depth.ready} wait.", {"ready": depth.ready})
    elif facts.report_age > STUCK or (depth is not None and depth.ready > BACKLOG):
        waiting = facts.batches.get("reported", 0)
        ready = depth.ready if depth is not None else None
        yield Hold(
            "aggregator_behind",
            f"The aggregator is behind: {_batches(waiting)} reported and not merged, the oldest for "
            f"{facts.report_age:.0f} s; planning waits for it.",
            {"reported": waiting, "oldest": facts.report_age, "ready": ready},
        )


def _limits(facts: Facts) -> Iterator[Hold]:
    """What holds it as it should."""
    count = facts.batches.get
    on_their_way = sum(count(state, 0) for state in ("queued", "claimed", "reported"))
    if facts.expired:
        yield Hold("expired", f"Its time is over: {facts.pending} devices expire.", {"pending": facts.pending})
    for project in facts.projects:
        if project.circuit is None and project.paused_for <= 0 and project.booked_ahead > AHEAD:
            share = f", {facts.others} other campaigns share it" if facts.others else ""
            bent = f" (of {project.quota:,.0f})" if project.rate < project.quota * 0.99 else ""
            yield Hold(
                "quota",
                f"The quota of project {project.id} is booked {project.booked_ahead:.1f} s ahead at "
                f"{project.rate:,.0f}{bent} messages a second{share}.",
                {"project": project.id, "rate": project.rate, "booked_ahead": project.booked_ahead},
            )
    if facts.own_rate is not None and (on_their_way or count("planned", 0)):
        yield Hold("own_rate", f"Its own rate is {facts.own_rate:g} devices a second.", {"rate": facts.own_rate})
    waiting = count("waiting", 0)
    if waiting and not on_their_way and (facts.planned_out or not count("planned", 0)):
        yield Hold(
            "waiting_for_retries",
            f"{_batches(waiting)} waiting for a retry: the next is due in {_seconds(facts.next_retry_in)}, "
            f"the last in {_seconds(facts.last_retry_in)}.",
            {"waiting": waiting, "next_in": facts.next_retry_in, "last_in": facts.last_retry_in},
        )
    if count("planned", 0) and not on_their_way and facts.next_publish_in is not None and facts.next_publish_in > 0:
        yield Hold(
            "given_back",
            f"{_batches(count('planned', 0))} given back until there is room: the next is published in "
            f"{_seconds(facts.next_publish_in)}.",
            {"planned": count("planned", 0), "next_in": facts.next_publish_in},
        )
    if not facts.planned_out and on_their_way:
        yield Hold(
            "window_full",
            f"{_batches(on_their_way)} on the way ({count('queued', 0)} queued, {count('claimed', 0)} with senders, "
            f"{count('reported', 0)} being merged); the planner adds more as these finish.",
            {"open": on_their_way, "lane_ready": facts.lane_depth.ready if facts.lane_depth else None},
        )
    if not facts.planned_out and not on_their_way and not waiting:
        yield Hold(
            "planning",
            f"The planner looks for its audience; its last step was {facts.step_age:.0f} s ago.",
            {"step_age": facts.step_age},
        )


def _unseen(facts: Facts) -> Iterator[Hold]:
    """What nobody can say whether it holds anything."""
    if facts.hidden:
        yield Hold(
            "queue_hidden",
            f"RabbitMQ does not let the api look at {', '.join(f'queue {name}' for name in facts.hidden)}: whether "
            f"anybody serves them is unknown. {RENEW}.",
            {"queues": " ".join(facts.hidden)},
        )


def _moves(facts: Facts) -> Hold:
    return Hold(
        "finishing",
        f"Nothing holds it: {facts.pending} devices are on their way{_on_lane(facts)}.",
        {"pending": facts.pending, "speed": facts.speed},
    )


def _on_lane(facts: Facts) -> str:
    ready = facts.lane_depth.ready if facts.lane_depth is not None else 0
    return f", {_batches(ready)} of all campaigns ready on the lane {facts.lane}" if ready else ""


def sentence(facts: Facts, found: list[Hold]) -> str:
    """What an operator is told in one sentence."""
    first = found[0].detail
    if facts.status == "sending" and facts.speed:
        return f"It moves, at {facts.speed:,.0f} devices a second. {first}"
    return first


def _batches(count: int) -> str:
    return "1 batch" if count == 1 else f"{count} batches"


def _seconds(value: float | None) -> str:
    return "an unknown time" if value is None else f"{max(0.0, value):.0f} s"
