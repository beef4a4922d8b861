"""What routes are given: built in `app`, found on the application."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from fastapi import Request

from services.api.access.keys import Keys
from services.api.access.limits import Limits
from services.api.results.event_feed import Tail
from services.api.system.broker_view import BrokerView
from services.api.system.dead_letter_desk import DeadLetterDesk
from shared.db import Database
from shared.observability.probes import Check
from shared.outbox import Relay


@dataclass(slots=True)
class Resources:
    """Everything a request may use.

    `import_gate` bounds the chunks of imports written at once: the pool always has connections left for requests
    that must answer in milliseconds; `estimate_gate` likewise the audiences counted at once. `draining` is set when
    the process has been told to stop.
    """

    database: Database
    commands: Relay
    events: Relay
    keys: Keys
    limits: Limits
    broker: BrokerView
    dead_letters: DeadLetterDesk
    tail: Tail
    import_gate: asyncio.Semaphore
    checks: Mapping[str, Check]
    estimate_gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    ramp: float = 60.0
    retry_patience: float = 300.0
    draining: asyncio.Event = field(default_factory=asyncio.Event)

    def ring(self) -> None:
        """Say that an outbox row was committed."""
        self.commands.ring()
        self.events.ring()


def resources(request: Request) -> Resources:
    """The application's resources."""
    found = request.app.state.resources
    assert isinstance(found, Resources)  # noqa: S101 - set by `web.build`
    return found
