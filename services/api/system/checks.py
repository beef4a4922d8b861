"""What the API's own readiness looks at, beside its database and the topology."""

import asyncio
import contextlib

from aio_pika.abc import AbstractRobustConnection

from shared.db import Database
from shared.errors import UnavailableError
from shared.observability.probes import Check
from shared.outbox import commands_wait

STUCK = 60.0
"""Seconds that a command may wait in the outbox before this process says that it is not ready."""


def draining_check(draining: asyncio.Event) -> Check:
    """Red while the process ends."""

    async def check() -> str | None:
        return "shutting down" if draining.is_set() else None

    return check


def broker_check(connection: AbstractRobustConnection) -> Check:
    """Red without a connection."""

    async def check() -> str | None:
        return None if connection.connected.is_set() else "no connection to publish on"

    return check


def commands_check(database: Database) -> Check:
    """A relay that is stuck leaves commands in the outbox, whatever the connection looks like."""

    async def check() -> str | None:
        # An unreachable database is what the check beside this one says.
        with contextlib.suppress(UnavailableError):
            async with database.read() as tx:
                waited = await commands_wait(tx)
            if waited > STUCK:
                return f"the oldest command has waited for {waited:.0f} s to be published"
        return None

    return check
