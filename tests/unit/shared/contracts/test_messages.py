"""Messages on their way through JSON."""

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import messages
from shared.contracts.messages import (
    BatchReady,
    BatchResult,
    CampaignEvent,
    CloseCampaign,
    Payload,
    PlanCampaign,
    ProjectEvent,
)
from shared.ledger.letters import ORDER

NUMBERS = st.integers(0, 2**31 - 1)
IDS = st.integers(1, 2**63 - 1)
POSITIONS = st.integers(0, 499)
MOMENTS = st.datetimes(timezones=st.just(UTC))
TEXT = st.text(max_size=20)

ANY = st.one_of(
    st.builds(PlanCampaign, campaign_id=IDS, seq=NUMBERS),
    st.builds(CloseCampaign, campaign_id=IDS),
    st.builds(
        BatchReady,
        campaign_id=IDS,
        batch_no=NUMBERS,
        epoch=NUMBERS,
        size=st.integers(0, 500),
        lane=st.sampled_from(["high", "normal", "low"]),
        project=TEXT,
        deadline=st.none() | MOMENTS,
    ),
    st.builds(
        BatchResult,
        campaign_id=IDS,
        batch_no=NUMBERS,
        epoch=NUMBERS,
        outcomes=st.text(st.sampled_from(ORDER), min_size=1, max_size=500),
        codes=st.dictionaries(POSITIONS, TEXT),
        dead=st.dictionaries(POSITIONS, st.binary(min_size=16, max_size=16).map(bytes.hex)),
        samples=st.dictionaries(TEXT, TEXT),
    ),
    st.builds(
        CampaignEvent,
        campaign_id=IDS,
        campaign_seq=IDS,
        name=TEXT,
        at=MOMENTS,
        data=st.dictionaries(TEXT, st.integers() | TEXT),
    ),
)


@given(ANY)
def test_a_message_comes_back_as_it_went(message: Payload) -> None:
    """As it is published: defaults left out, Korean text and all."""
    body = message.model_dump_json(exclude_defaults=True)
    assert type(message).model_validate_json(body) == message


def test_every_message_has_a_name_and_a_version_of_its_own() -> None:
    """The envelope's type tells them apart."""
    kinds: list[type[Payload | ProjectEvent]] = [*Payload.__subclasses__(), ProjectEvent]
    names = [kind.type for kind in kinds]
    assert len(set(names)) == len(names)
    assert all(name.endswith(".v1") for name in names)
    assert {messages.PlanCampaign, messages.CloseCampaign} == set(messages.COMMANDS.values())
    assert all(name == kind.type for name, kind in messages.COMMANDS.items())


def test_the_letters_on_the_wire_are_the_ledgers() -> None:
    """A letter that one knows and the other does not would lose results."""
    everything = BatchResult(campaign_id=1, batch_no=0, epoch=0, outcomes=ORDER)
    assert everything.outcomes == ORDER
    with pytest.raises(ValueError, match="outcomes"):
        BatchResult(campaign_id=1, batch_no=0, epoch=0, outcomes="AZ")
