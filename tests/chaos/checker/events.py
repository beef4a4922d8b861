"""Events: what the ledger keeps of them, and what a subscriber was told."""

from collections import Counter

from tests.chaos.checker.state import CampaignBooks, State

STARTED = "started"
FINAL = ("completed", "cancelled", "failed")


def told_once(state: State) -> list[str]:
    """(3) One started and one final event per campaign, numbered without gaps; the subscriber got every one, alike."""
    return [wrong for campaign in state.campaigns for wrong in (*_kept(campaign), *_heard(campaign, state))]


def _kept(campaign: CampaignBooks) -> list[str]:
    wrong = []
    names = Counter(name for _, name in campaign.events)
    if names[STARTED] != 1:
        wrong.append(f"campaign {campaign.id} has {names[STARTED]} started events")
    finals = [name for name in FINAL for _ in range(names[name])]
    if finals != [campaign.status]:
        wrong.append(f"campaign {campaign.id} is {campaign.status}, its final events are {finals}")
    numbers = [number for number, _ in campaign.events]
    if numbers != list(range(1, campaign.last_seq + 1)):
        missing = sorted(set(range(1, campaign.last_seq + 1)) - set(numbers))
        wrong.append(
            f"campaign {campaign.id} has numbered {campaign.last_seq} events and keeps {len(numbers)}: "
            f"{missing[:5]} are missing"
        )
    return wrong


def _heard(campaign: CampaignBooks, state: State) -> list[str]:
    wrong = []
    told = state.heard.get(campaign.id, {})
    kept = {number for number, _ in campaign.events}
    if missing := sorted(kept - told.keys()):
        wrong.append(f"campaign {campaign.id}: {len(missing)} of its events were never told, such as {missing[:5]}")
    if strange := sorted(told.keys() - kept):
        wrong.append(f"campaign {campaign.id}: events were told that nobody keeps, such as {strange[:5]}")
    if twofold := sorted(number for number, texts in told.items() if len(texts) > 1):
        wrong.append(f"campaign {campaign.id}: different events were told under one number, such as {twofold[:5]}")
    return wrong
