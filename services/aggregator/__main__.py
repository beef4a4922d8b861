"""`python -m services.aggregator`."""

from pydantic import Field

from services.aggregator.app import aggregator
from shared.config import Settings
from shared.lifecycle import run


class AggregatorSettings(Settings):
    """The aggregator's environment."""

    window_size: int = Field(200, ge=1, le=2000, description="Results merged in one transaction at the most")
    window_age: float = Field(0.2, gt=0, le=10, description="Seconds that the first result of a window waits")


if __name__ == "__main__":
    run(
        "aggregator",
        AggregatorSettings,
        lambda settings: aggregator(settings, size=settings.window_size, age=settings.window_age),
    )
