"""Version 1 of every message, as it was first published: it must be understood for ever.

A body here is never changed. A message that must change gets a new type, and its old body stays.
"""

from datetime import UTC, datetime

import pytest

from shared.amqp.decoding import decode
from shared.contracts.messages import (
    BatchReady,
    BatchResult,
    CampaignEvent,
    CloseCampaign,
    Payload,
    PlanCampaign,
    ProjectEvent,
)
from tests.unit.shared.amqp.fake_message import delivery

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

GOLDEN: list[tuple[str, str, Payload]] = [
    ("campaign.plan.v1", '{"campaign_id":7,"seq":3}', PlanCampaign(campaign_id=7, seq=3)),
    ("campaign.close.v1", '{"campaign_id":7}', CloseCampaign(campaign_id=7)),
    (
        "push.batch.v1",
        (
            '{"campaign_id":7,"batch_no":12,"epoch":2,"size":500,"lane":"high","project":"default",'
            '"deadline":"2026-11-22T12:00:00Z"}'
        ),
        BatchReady(campaign_id=7, batch_no=12, epoch=2, size=500, lane="high", project="default", deadline=NOON),
    ),
    (
        "push.batch.v1",
        '{"campaign_id":7,"batch_no":0,"epoch":0,"size":1,"lane":"low","project":"shop-2"}',
        BatchReady(campaign_id=7, batch_no=0, epoch=0, size=1, lane="low", project="shop-2"),
    ),
    (
        "push.result.v1",
        (
            '{"campaign_id":7,"batch_no":12,"epoch":2,"outcomes":".SCXD?RUA","codes":{"6":"INVALID_ARGUMENT"},'
            '"dead":{"7":"00112233445566778899aabbccddeeff"},"samples":{"INVALID_ARGUMENT":"토큰이 잘못되었습니다 🔔"}}'
        ),
        BatchResult(
            campaign_id=7,
            batch_no=12,
            epoch=2,
            outcomes=".SCXD?RUA",
            codes={6: "INVALID_ARGUMENT"},
            dead={7: "00112233445566778899aabbccddeeff"},
            samples={"INVALID_ARGUMENT": "토큰이 잘못되었습니다 🔔"},
        ),
    ),
    (
        "push.result.v1",
        '{"campaign_id":7,"batch_no":12,"epoch":2,"outcomes":"A"}',
        BatchResult(campaign_id=7, batch_no=12, epoch=2, outcomes="A"),
    ),
    (
        "campaign.event.v1",
        (
            '{"campaign_id":7,"campaign_seq":4,"name":"completed","at":"2026-11-22T12:00:00Z",'
            '"data":{"total":2,"balanced":true}}'
        ),
        CampaignEvent(campaign_id=7, campaign_seq=4, name="completed", at=NOON, data={"total": 2, "balanced": True}),
    ),
]


@pytest.mark.parametrize(("kind", "body", "message"), GOLDEN)
def test_a_body_of_version_1_is_understood(kind: str, body: str, message: Payload) -> None:
    """Whatever has been added since."""
    assert decode(delivery(body.encode(), kind), type(message)) == message


@pytest.mark.parametrize(("kind", "body", "message"), GOLDEN)
def test_what_is_published_today_is_what_version_1_reads(kind: str, body: str, message: Payload) -> None:
    """The same text, so that a service of the release before understands it."""
    assert message.type == kind
    assert message.model_dump_json(exclude_defaults=True) == body


@pytest.mark.parametrize(("kind", "body", "message"), GOLDEN)
def test_an_unknown_field_is_tolerated(kind: str, body: str, message: Payload) -> None:
    """A newer service may say more."""
    richer = body[:-1] + ',"since_version_9":{"any":["thing"]}}'
    assert decode(delivery(richer.encode(), kind), type(message)) == message


def test_an_event_of_a_project_is_understood_and_published_as_in_version_1() -> None:
    """Subscribers read it; no service of ours consumes it."""
    body = '{"project":"default","name":"stopped","at":"2026-11-22T12:00:00Z","data":{"reason":"PERMISSION_DENIED"}}'
    event = ProjectEvent(project="default", name="stopped", at=NOON, data={"reason": "PERMISSION_DENIED"})
    assert ProjectEvent.type == "project.event.v1"
    assert ProjectEvent.model_validate_json(body) == event
    assert event.model_dump_json(exclude_defaults=True) == body


def test_every_message_has_a_golden_body() -> None:
    """Who adds a message adds its body here."""
    assert {kind for kind, _, _ in GOLDEN} == {kind.type for kind in Payload.__subclasses__()}
