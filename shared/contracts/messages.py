"""All messages on one screen: commands are imperative, events are past tense.

| type | exchange | routing key |
|---|---|---|
| campaign.plan.v1, campaign.close.v1 | push.commands | campaign.plan, campaign.close, delayed.* |
| push.batch.v1 | push.batches, push.retry | new.<lane>, now.<lane>, <rung>.<lane> |
| push.result.v1 | push.results | result.<lane> |
| campaign.event.v1, project.event.v1 | push.events | campaign.<past tense>, project.<past tense> |
"""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

LETTERS_PATTERN = r"^[.SCXD?RUA]*$"
MAX_BATCH = 500
"""Devices in a batch: 90 kB of targets in a sender, 50 ms of FCM's default quota; smaller costs more transactions."""

Position = Annotated[int, Field(ge=0, lt=MAX_BATCH)]
"""A device's place in its batch."""
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
"""The first 16 bytes of a target's SHA-256, as hexadecimal digits."""
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
Number = Annotated[int, Field(ge=0, le=2**31 - 1)]
LaneName = Literal["high", "normal", "low"]


class Payload(BaseModel):
    """A message's body; `type` names it and its version in the AMQP envelope."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    type: ClassVar[str]

    campaign_id: Id


class PlanCampaign(Payload):
    """Command: do planning step `seq`; any other seq than the ledger's is stale."""

    type = "campaign.plan.v1"

    seq: int = Field(ge=0)


class CloseCampaign(Payload):
    """Command: close every unclaimed batch of a cancelled campaign."""

    type = "campaign.close.v1"


class BatchReady(Payload):
    """Reference to a batch to send; `size`, `lane`, `project` and `deadline` are for the reader's eye."""

    type = "push.batch.v1"

    batch_no: Number
    epoch: Number
    size: int = Field(ge=0, le=MAX_BATCH)
    lane: LaneName
    project: str
    deadline: datetime | None = None


class BatchResult(Payload):
    """What a sender (or the sweeper) knows about a batch: a letter per position, `.` where it says nothing.

    `codes`: position to code, for positions that ended badly. `dead`: position to the hash of the target that FCM
    called unregistered (guards a token refreshed meanwhile). `samples`: code to one answer's text.
    """

    type = "push.result.v1"

    batch_no: Number
    epoch: Number
    outcomes: Annotated[str, Field(pattern=LETTERS_PATTERN, max_length=MAX_BATCH, min_length=1)]
    codes: dict[Position, str] = {}
    dead: dict[Position, Hash] = {}
    samples: dict[str, str] = {}


class CampaignEvent(Payload):
    """Event: something happened to a campaign; `campaign_seq` has no gaps, so a subscriber sees what it missed."""

    type = "campaign.event.v1"

    campaign_seq: int = Field(ge=1)
    name: str
    at: datetime
    data: dict[str, Any] = {}


class ProjectEvent(BaseModel):
    """Event: something happened to an FCM project, such as its circuit opening."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    type: ClassVar[str] = "project.event.v1"

    project: str
    name: str
    at: datetime
    data: dict[str, Any] = {}


COMMANDS: dict[str, type[PlanCampaign | CloseCampaign]] = {
    PlanCampaign.type: PlanCampaign,
    CloseCampaign.type: CloseCampaign,
}
