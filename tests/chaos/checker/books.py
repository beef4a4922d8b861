"""The ledger against itself, against its counters and against the emulator's record, device by device."""

from collections import Counter
from collections.abc import Iterator

from deploy.local.audit import Seen, contradictions_of
from shared.ledger.letters import NAMES, PENDING
from tests.chaos.checker.state import CampaignBooks, State

EXAMPLES = 3
NOTHING = Seen(accepted=0, called_dead=False)


def one_letter(state: State) -> list[str]:
    """(1) Every planned device has exactly one letter, and it is no longer pending."""
    wrong = []
    for campaign in state.campaigns:
        times = Counter(entry.target for entry in campaign.entries)
        if twice := [target for target, count in times.items() if count > 1]:
            wrong.append(f"campaign {campaign.id} planned {_some(twice)} more than once")
        if pending := [entry.target for entry in campaign.entries if entry.letter == PENDING]:
            wrong.append(f"campaign {campaign.id} ({campaign.status}) left {_some(pending)} without an outcome")
        if strange := [entry.target for entry in campaign.entries if entry.letter not in NAMES]:
            wrong.append(f"campaign {campaign.id} has letters that do not exist for {_some(strange)}")
    return wrong


def counters(state: State) -> list[str]:
    """(2) Every counter equals the ledger's letters, and together they are the audience."""
    wrong = []
    for campaign in state.campaigns:
        counted = Counter(NAMES.get(entry.letter, "") for entry in campaign.entries)
        wrong += [
            f"campaign {campaign.id} counts {campaign.counters[name]} {name}, its batches hold {counted[name]}"
            for name in NAMES.values()
            if campaign.counters[name] != counted[name]
        ]
        if campaign.counters["total"] != counted.total():
            wrong.append(
                f"campaign {campaign.id} has an audience of {campaign.counters['total']}, "
                f"its batches hold {counted.total()} devices"
            )
    return wrong


def contradictions(state: State) -> list[str]:
    """(4) No letter says what the emulator's record denies, and no target was pushed that was never planned."""
    dead = called_dead(state)
    wrong = []
    for campaign in state.campaigns:
        found: dict[str, list[str]] = {}
        for entry in campaign.entries:
            at_fcm = campaign.seen.get(entry.target, NOTHING)
            for kind in contradictions_of(entry, at_fcm, dead=entry.target in dead):
                found.setdefault(kind, []).append(entry.target)
        strangers = campaign.seen.keys() - {entry.target for entry in campaign.entries}
        if strangers:
            found["targets at the emulator that it never planned"] = sorted(strangers)
        wrong += [f"campaign {campaign.id}: {kind}: {_some(targets)}" for kind, targets in found.items()]
    return wrong


def duplicates(state: State) -> list[str]:
    """(4) Repeats at the emulator stay within the stated bound; there are none with `at_most_once`."""
    wrong = []
    for campaign in state.campaigns:
        repeated = repeats(campaign)
        if campaign.delivery == "at_most_once" and repeated:
            wrong.append(f"campaign {campaign.id} is at_most_once, and {repeated} messages were delivered again")
        elif repeated > campaign.repeats_allowed:
            wrong.append(
                f"campaign {campaign.id} repeated {repeated} messages, its bound is {campaign.repeats_allowed}"
            )
        clear = {entry.target for entry in campaign.entries if not entry.may_repeat}
        if unexplained := [target for target, seen in campaign.seen.items() if seen.accepted > 1 and target in clear]:
            wrong.append(
                f"campaign {campaign.id} repeated {_some(unexplained)} though no lease over them was lost "
                "and no request went unanswered"
            )
    return wrong


def dead_tokens(state: State) -> list[str]:
    """(8) Inactive are the devices that the emulator called dead, no others."""
    wrong = []
    if others := sorted(state.inactive - called_dead(state)):
        wrong.append(f"{_some(others)} are inactive though the emulator never called them dead")
    heard = {
        entry.target for campaign in state.campaigns for entry in campaign.entries if NAMES.get(entry.letter) == DEAD
    }
    if alive := sorted(heard - state.inactive):
        wrong.append(f"{_some(alive)} are unregistered in the ledger and still active")
    return wrong


DEAD = "unregistered"


def repeats(campaign: CampaignBooks) -> int:
    """Deliveries beyond the first to the same device."""
    return sum(seen.accepted - 1 for seen in campaign.seen.values() if seen.accepted > 1)


def called_dead(state: State) -> frozenset[str]:
    """Targets that the emulator called unregistered, to any campaign."""
    return frozenset(_called_dead(state))


def _called_dead(state: State) -> Iterator[str]:
    for campaign in state.campaigns:
        for target, seen in campaign.seen.items():
            if seen.called_dead:
                yield target


def _some(targets: list[str]) -> str:
    shown = ", ".join(f"{target[:22]}…" for target in targets[:EXAMPLES])
    return f"{len(targets)} devices (such as {shown})"
