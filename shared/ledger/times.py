"""How long the ledger waits before it believes that something is lost. The same in every service of a stack."""

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Times(BaseSettings):
    """Seconds, from CARILLON_LEDGER_*; shorter in tests and rehearsals, where a lost lease should not cost minutes."""

    model_config = SettingsConfigDict(env_prefix="CARILLON_LEDGER_", extra="ignore", frozen=True)

    lease: float = Field(120.0, gt=0, description="From a claim's booked start until another sender may take over")
    margin: float = Field(30.0, gt=0, description="Before the lease's end, in which no request starts any more")
    publish: float = Field(10.0, gt=0, description="That a planner has to publish a batch that it took")
    queued: float = Field(120.0, gt=0, description="After which a queued batch whose lane is empty counts as lost")
    queued_max: float = Field(3600.0, gt=0, description="After which it counts as lost whatever its lane holds")
    retry: float = Field(300.0, gt=0, description="Past its due time after which a waiting batch counts as lost")
    report: float = Field(300.0, gt=0, description="After which a report that nobody merged is published again")
    ramp: float = Field(60.0, ge=0, description="From nothing to a project's quota after idleness; 0 for none")
    probe: float = Field(15.0, gt=0, description="Until a project or platform that FCM refuses is probed")
    step: float = Field(60.0, gt=0, description="After which an untouched planning step is commanded again")

    def fits(self, rate: float) -> int:
        """Messages that one claim can start at `rate` a second, with a tenth of its time to spare; at least one."""
        return max(1, int(rate * (self.lease - self.margin) * 0.9))

    @model_validator(mode="after")
    def _margin_fits(self) -> "Times":
        if self.margin >= self.lease:
            raise ValueError(
                f"margin ({self.margin} s) must be shorter than lease ({self.lease} s): nothing could be sent"
            )
        return self
