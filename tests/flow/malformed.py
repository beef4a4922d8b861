"""Messages that no service can handle, for each queue."""

import json

from shared.topology import BATCHES, COMMANDS, RESULTS, RETRY

BATCH = {"campaign_id": 1, "batch_no": 0, "epoch": 0, "size": 1, "lane": "high", "project": "default"}
RESULT = {"campaign_id": 1, "batch_no": 0, "epoch": 0, "outcomes": "A"}
NO_CAMPAIGN = 987_654_321
HUGE = 2**70

Malformed = tuple[str, str, str | None, bytes, str]
"""Exchange, routing key, type, body, and the queue whose consumer finds it."""


def malformed() -> list[Malformed]:
    """What no service can handle, for each queue."""
    nonsense = (b"", b"\xff\xfe", b"nonsense", b"[]", b"{}", b'{"campaign_id": "one"}')
    wrong: list[Malformed] = []
    for body in nonsense:
        wrong += [
            (RETRY, "10s.low", "push.batch.v1", body, "sender.low"),  # first: it takes ten seconds
            (COMMANDS, "campaign.plan", "campaign.plan.v1", body, "planner.commands"),
            (COMMANDS, "campaign.close", "campaign.close.v1", body, "planner.commands"),
            (COMMANDS, "delayed.plan", "campaign.plan.v1", body, "planner.commands"),
            *((BATCHES, f"new.{lane}", "push.batch.v1", body, f"sender.{lane}") for lane in ("high", "normal", "low")),
            (RESULTS, "result.high", "push.result.v1", body, "aggregator.results"),
        ]
    for kind in (None, "push.batch.v2", "campaign.event.v1"):
        wrong += [
            (COMMANDS, "campaign.plan", kind, b'{"campaign_id": 1, "seq": 0}', "planner.commands"),
            (BATCHES, "new.high", kind, json.dumps(BATCH).encode(), "sender.high"),
            (RESULTS, "result.high", kind, json.dumps(RESULT).encode(), "aggregator.results"),
        ]
    commands = ({"campaign_id": 1, "seq": -1}, {"campaign_id": HUGE, "seq": 0}, {"campaign_id": 1, "seq": HUGE})
    wrong += [(COMMANDS, "campaign.plan", "campaign.plan.v1", _json(bad), "planner.commands") for bad in commands]
    batches = (
        {"campaign_id": NO_CAMPAIGN},
        {"campaign_id": HUGE},
        {"batch_no": -1},
        {"batch_no": HUGE},
        {"epoch": HUGE},
        {"lane": "fast"},
        {"size": 501},
    )
    wrong += [(BATCHES, "new.high", "push.batch.v1", _json({**BATCH, **bad}), "sender.high") for bad in batches]
    return wrong


def contradictions(campaign_id: int) -> list[Malformed]:
    """Results that name a real campaign, but cannot belong to it: its batch 0 has two devices."""
    own = {"campaign_id": campaign_id, "batch_no": 0, "epoch": 0, "outcomes": ".."}
    results = (
        {"campaign_id": NO_CAMPAIGN},
        {"campaign_id": HUGE},
        {"batch_no": 99},
        {"batch_no": HUGE},
        {"outcomes": "AAA"},
        {"outcomes": "ZZ"},
        {"outcomes": ""},
        {"codes": {"-600": "UNREGISTERED"}},
        {"codes": {str(HUGE): "UNREGISTERED"}},
        {"codes": {"0": "nul \0 in a code"}, "outcomes": "R."},
        {"dead": {"-600": "00"}},
        {"dead": {str(HUGE): "00"}},
        {"dead": {"0": "not a hash"}},
    )
    return [(RESULTS, "result.high", "push.result.v1", _json({**own, **bad}), "aggregator.results") for bad in results]


def _json(body: object) -> bytes:
    return json.dumps(body).encode()
