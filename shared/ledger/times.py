"""Timeouts after which the ledger treats something as lost. They must be the same in every service of a stack."""

from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.values import Seconds, SecondsOrNone


class Times(BaseSettings):
    """Seconds, from CARILLON_LEDGER_*; shorter in tests and rehearsals, where a lost lease should not cost minutes."""

    model_config = SettingsConfigDict(
        env_prefix="CARILLON_LEDGER_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    lease: Seconds = Field(120.0, description="From a claim's booked start until another sender may take over")
    margin: Seconds = Field(30.0, description="Before the lease's end, in which no request starts any more")
    publish: Seconds = Field(10.0, description="That a planner has to publish a batch that it took")
    queued: Seconds = Field(120.0, description="After which a queued batch whose lane is empty counts as lost")
    queued_max: Seconds = Field(3600.0, description="After which it counts as lost whatever its lane holds")
    retry: Seconds = Field(300.0, description="Past its due time after which a waiting batch counts as lost")
    report: Seconds = Field(300.0, description="After which a report that nobody merged is published again")
    ramp: SecondsOrNone = Field(60.0, description="From nothing to a project's quota after idleness; 0 for none")
    probe: Seconds = Field(15.0, description="Until a project or platform that FCM refuses is probed")
    step: Seconds = Field(60.0, description="After which an untouched planning step is commanded again")

    def fits(self, rate: float) -> int:
        """Messages that one claim can start at `rate` a second, with a tenth of its time to spare; at least one."""
        return max(1, int(rate * (self.lease - self.margin) * 0.9))

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.margin >= self.lease:
            raise ValueError(
                f"CARILLON_LEDGER_MARGIN ({self.margin:g} s) must be shorter than CARILLON_LEDGER_LEASE "
                f"({self.lease:g} s), or nothing could be sent; an example is 30 and 120"
            )
        if self.queued > self.queued_max:
            raise ValueError(
                f"CARILLON_LEDGER_QUEUED ({self.queued:g} s) must be no longer than CARILLON_LEDGER_QUEUED_MAX "
                f"({self.queued_max:g} s), or a busy lane would lose its batches first; an example is 120 and 3600"
            )
        return self
