"""What a seed came to, for people and for scripts."""

from collections import Counter
from typing import Any

from tests.chaos.checker.books import repeats
from tests.chaos.checker.state import State
from tests.chaos.faults.every import LEFT_OUT
from tests.chaos.history import History


def verdict(
    seed: int,
    minutes: float,
    history: History,
    state: State,
    findings: dict[str, list[str]],
    left: list[str],
    ended: float,
) -> dict[str, Any]:
    """One object with everything; `failures` is empty when every check holds."""
    letters = Counter(entry.letter for campaign in state.campaigns for entry in campaign.entries)
    return {
        "seed": seed,
        "minutes": minutes,
        "faults": history.by_kind(),
        "faults_done": sum(history.by_kind().values()),
        "faults_left_out": list(LEFT_OUT),
        "faults_fizzled": [fault.told() for fault in history.happened if fault.fizzled],
        "campaigns": len(state.campaigns),
        "campaigns_by_status": dict(Counter(campaign.status for campaign in state.campaigns)),
        "devices": letters.total(),
        "letters": dict(letters.most_common()),
        "messages": sum(requests for campaign in state.campaigns for _, requests in campaign.arrivals),
        "duplicates": sum(repeats(campaign) for campaign in state.campaigns),
        "duplicates_bound": sum(campaign.repeats_allowed for campaign in state.campaigns),
        "dead_letters": len(state.dead_letters),
        "broken_messages": len(state.injected),
        "longest_recovery_s": history.longest_recovery(),
        "ended_after_s": round(ended, 1),
        "deaths": history.deaths,
        "memory_mb": {name: round(size / 1e6) for name, size in sorted(state.memory.items())},
        "checks": {name: not wrong for name, wrong in findings.items()},
        "failures": [*left, *(f"{name}: {sentence}" for name, wrong in findings.items() for sentence in wrong)],
        "history": history.as_json(),
    }
