"""A dry run: FCM is asked, and nothing beyond the campaign learns from its answers."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

from services.sender.gateways import ACCEPTED
from services.sender.message import Template
from shared.contracts.content import PushContent
from tests.unit.sender.test_outcomes import CLAIM, UNREGISTERED, collect, fcm_error

DRY = replace(CLAIM, validate_only=True, proven=False, max_attempts=1)
REFUSED_PAYLOAD = fcm_error(400, "INVALID_ARGUMENT")


def test_its_requests_ask_for_validation_only() -> None:
    """Beside the message, where FCM looks for it."""
    template = Template(PushContent(title="t", body="b"), 7, validate_only=True)
    body = json.loads(template.for_batch(now=datetime.now(UTC), deadline=None).body(("token", "a")))
    assert body["validate_only"] is True
    assert body["message"]["token"] == "a"


def test_a_dead_token_is_told_and_not_deactivated() -> None:
    """The next campaign will find it."""
    outcomes = collect(DRY, ACCEPTED, UNREGISTERED, ACCEPTED, ACCEPTED)
    release = outcomes.settle(life=None, free=False, rng=Random(1))
    assert release.outcomes == "AUAA"
    assert release.codes == {1: "UNREGISTERED"}
    assert release.dead == {}


def test_a_payload_that_fcm_refuses_ends_every_device_at_once() -> None:
    """Neither the batch nor the campaign stops before all have been asked."""
    outcomes = collect(DRY, *[REFUSED_PAYLOAD] * 4)
    assert not outcomes.stop
    release = outcomes.settle(life=None, free=False, rng=Random(1))
    assert release.outcomes == "DDDD"
    assert set(release.codes.values()) == {"INVALID_ARGUMENT"}
    assert release.retry_after is None
