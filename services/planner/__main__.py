"""`python -m services.planner`."""

from pydantic import Field

from services.planner.app import planner
from shared.config import Settings, load
from shared.ledger.retention import Retention
from shared.ledger.times import Times
from shared.lifecycle import run


class PlannerSettings(Settings):
    """The planner's environment."""

    workers: int = Field(4, ge=1, le=64, description="Planning steps that one planner does at once")
    tick: float = Field(1.0, gt=0, le=60, description="Seconds between the timekeeper's rounds")


if __name__ == "__main__":
    run(
        "planner",
        PlannerSettings,
        lambda settings: planner(
            settings, load(Times), workers=settings.workers, tick=settings.tick, retention=load(Retention)
        ),
    )
