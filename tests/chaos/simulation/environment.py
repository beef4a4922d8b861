"""What a schedule puts in the place of a process's surroundings: the wall clock, small batches, quiet logs."""

from collections.abc import Generator, Mapping, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import structlog

from tests.chaos.simulation.history import History
from tests.chaos.simulation.loop import VirtualLoop

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""The wall clock's time when a schedule begins."""
POLL = 3.0
"""Seconds between a relay's looks when nobody rang it."""
LOUD = ("message.crashed", "message.dead", "result.poison")
"""Log events that no schedule may cause: nothing malformed is ever published."""


UNTOLD = ("event", "exc_info", "drained_in")
"""What a history does not repeat: the name, which it has, and what is measured on the clock on the wall."""


class Logs:
    """Keeps what the services log: errors always, all of it for a history."""

    def __init__(self, history: History) -> None:
        self._history = history
        self.loud: list[str] = []

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        """Write it down, and print nothing."""
        name = event.get("event")
        if self._history.on:
            words = (f"{key}={value}" for key, value in sorted(event.items()) if key not in UNTOLD)
            self._history.add("log", name, *words)
        if name in LOUD:
            self.loud.append(f"{name}: {event}")
        raise structlog.DropEvent


@contextmanager
def environment(loop: VirtualLoop, history: History, *, batch: int) -> Generator[Logs]:
    """Virtual wall clock, batches of `batch` devices, logs into the history; all put back afterwards."""
    logs = Logs(history)
    before = structlog.get_config()
    structlog.configure(
        processors=[logs],
        wrapper_class=structlog.make_filtering_bound_logger("INFO" if history.on else "WARNING"),
        cache_logger_on_first_use=False,
    )
    try:
        with (
            patch("shared.clock.now", lambda: EPOCH + timedelta(seconds=loop.time())),
            patch("services.planner.window.MAX_BATCH", batch),
            patch("shared.outbox.POLL", POLL),
        ):
            yield logs
    finally:
        structlog.configure(**before)
