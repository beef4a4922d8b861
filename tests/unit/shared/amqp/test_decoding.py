"""Bodies that cannot be decoded, and what is said of them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.amqp.decoding import decode
from shared.contracts.messages import BatchReady, BatchResult, CloseCampaign, PlanCampaign
from shared.errors import MalformedMessageError
from tests.unit.shared.amqp.fake_message import delivery


def test_the_envelopes_type_chooses_the_payload() -> None:
    """A body that would fit both is not guessed at."""
    body = b'{"campaign_id": 4, "seq": 2}'
    assert decode(delivery(body, "campaign.plan.v1"), PlanCampaign, CloseCampaign) == PlanCampaign(campaign_id=4, seq=2)
    assert decode(delivery(body, "campaign.close.v1"), PlanCampaign, CloseCampaign) == CloseCampaign(campaign_id=4)


@pytest.mark.parametrize("kind", [None, "", "push.result.v1", "campaign.plan.v2"])
def test_a_type_that_was_not_expected_is_malformed(kind: str | None) -> None:
    """The text names it and those that were."""
    with pytest.raises(MalformedMessageError) as error:
        decode(delivery(b"{}", kind), PlanCampaign, CloseCampaign)
    assert str(error.value) == f"Message type {kind!r} is not one of campaign.plan.v1, campaign.close.v1."


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", "body"),
        (b"not json", "body"),
        (b"[]", "body"),
        (b"\xff\xfe", "body"),
        (b'{"seq": 0}', "campaign_id"),
        (b'{"campaign_id": 0, "seq": 0}', "campaign_id"),
        (b'{"campaign_id": 1, "seq": -1}', "seq"),
        (b'{"campaign_id": 1, "seq": "many"}', "seq"),
    ],
)
def test_a_body_that_does_not_fit_is_malformed_and_the_text_says_where(body: bytes, where: str) -> None:
    """Type, field and what is wrong with it, in a line."""
    with pytest.raises(MalformedMessageError, match=rf"^campaign\.plan\.v1: {where}: \w+"):
        decode(delivery(body, "campaign.plan.v1"), PlanCampaign)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ('"outcomes": "AZ"', "outcomes"),
        ('"outcomes": ""', "outcomes"),
        (f'"outcomes": "{"A" * 501}"', "outcomes"),
        ('"outcomes": "A", "codes": {"first": "X"}', r"codes\.first"),
        ('"outcomes": "A", "dead": {"0": 5}', r"dead\.0"),
    ],
)
def test_a_result_with_letters_or_positions_of_its_own_is_malformed(wrong: str, where: str) -> None:
    """Before it meets the ledger."""
    body = f'{{"campaign_id": 1, "batch_no": 0, "epoch": 0, {wrong}}}'.encode()
    with pytest.raises(MalformedMessageError, match=f"push.result.v1: {where}"):
        decode(delivery(body, "push.result.v1"), BatchResult)


@given(st.binary(max_size=200))
def test_any_bytes_either_decode_or_are_malformed(body: bytes) -> None:
    """Nothing else is raised, or a poison message would count as a crash."""
    with contextlib.suppress(MalformedMessageError):
        assert isinstance(decode(delivery(body, "push.batch.v1"), BatchReady), BatchReady)
