"""Requests that nobody answers: repeated only where the operator allows it, and then only where there is doubt."""

import pytest

from tests.flow.system import System

pytestmark = pytest.mark.timeout(120)


async def test_what_nobody_answered_is_repeated_at_least_once_and_never_at_most_once(system: System) -> None:
    """Connections cut and answers that never come, in the midst of many that are well."""
    often, once = [await system.audience(1000) for _ in range(2)]
    silences = {often.tokens[100]: "CUT", often.tokens[700]: "TRUNCATED", often.tokens[800]: "CUT_LOST"}
    silences |= {once.tokens[100]: "CUT", once.tokens[700]: "TRUNCATED", once.tokens[800]: "CUT_LOST"}
    silences |= {once.tokens[900]: "HANG", once.tokens[950]: "HANG_LOST"}
    await system.fcm.follow({"shares": {}, "tokens": silences, "latency": "fixed:50ms"})
    repeating = await system.send(often, rate=500, delivery="at_least_once")
    silent = await system.send(once, rate=500, delivery="at_most_once")
    for campaign_id in (repeating, silent):
        await system.pushed(campaign_id, at_least=960)
    await system.fcm.follow({"shares": {}})
    repeated = await system.settled(repeating, within=60)
    never = await system.settled(silent, within=60)
    assert repeated.letters == {"A": 1000}
    assert repeated.duplicates >= 2, "those that FCM had accepted without a word, and their neighbours"
    assert repeated.duplicates_explained == repeated.duplicates
    assert never.duplicates == 0
    assert never.letters["?"] >= 5
    assert never.letters["A"] + never.letters["?"] == 1000
