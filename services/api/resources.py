"""What routes are given: built in `app`, found on the application."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from fastapi import Request

from shared.db import Database
from shared.observability.probes import Check, Notes, nothing_to_note
from shared.outbox import Relay

T = TypeVar("T")


@dataclass(slots=True)
class Resources:
    """Everything a request may use.

    `import_gate` bounds the chunks of imports written at once: the pool always has connections left for requests
    that must answer in milliseconds; `estimate_gate` likewise the audiences counted at once. `draining` is set when
    the process has been told to stop. `rooms`: what single rooms have made for their own routes, found by its type, so
    that this module imports none of them.
    """

    database: Database
    commands: Relay
    events: Relay
    import_gate: asyncio.Semaphore
    checks: Mapping[str, Check]
    rooms: Sequence[object] = ()
    estimate_gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    ramp: float = 60.0
    retry_patience: float = 300.0
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    notes: Notes = nothing_to_note

    def of(self, kind: type[T]) -> T:
        """What a room has made of this kind; raises `LookupError`, a fault of `app`, when it is not there."""
        for made in self.rooms:
            if isinstance(made, kind):
                return made
        raise LookupError(f"No {kind.__name__} among the API's resources.")

    def ring(self) -> None:
        """Say that an outbox row was committed."""
        self.commands.ring()
        self.events.ring()


def resources(request: Request) -> Resources:
    """The application's resources."""
    found = request.app.state.resources
    assert isinstance(found, Resources)  # noqa: S101 - set by `web.build`
    return found
