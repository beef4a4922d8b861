"""The wall clock of a process. Decisions read it here, so that a simulation can put its own in this place.

Durations are none of it: they are differences of the event loop's `time()`.
"""

from datetime import UTC, datetime


def now() -> datetime:
    """The time of day, aware of its zone. Call it as `clock.now()`: who replaces it replaces it in this module."""
    return datetime.now(UTC)
