"""`python -m services.sender`."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from services.sender.app import sender
from shared.config import FcmSettings, Settings, load
from shared.ledger.times import Times
from shared.lifecycle import run
from shared.topology import Lane


class SenderSettings(Settings):
    """The sender's environment."""

    lanes: Annotated[tuple[Lane, ...], NoDecode] = Field(
        tuple(Lane), min_length=1, description="Lanes that this process serves, separated by commas"
    )
    batches: int = Field(
        12, ge=1, le=64, description="Batches in hand at once on each lane; a batch waits a second for its last answers"
    )
    max_in_flight: int = Field(2000, ge=1, le=10_000, description="Requests to FCM in flight at once")

    @field_validator("lanes", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        # Each once: a lane that is named twice is served as one.
        return list(dict.fromkeys(lane.strip().lower() for lane in value.split(",") if lane.strip()))


if __name__ == "__main__":
    run(
        "sender",
        SenderSettings,
        lambda settings: sender(
            settings,
            load(FcmSettings),
            load(Times),
            lanes=settings.lanes,
            batches=settings.batches,
            max_in_flight=settings.max_in_flight,
        ),
    )
