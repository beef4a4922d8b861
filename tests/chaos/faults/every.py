"""All kinds of faults."""

from tests.chaos.faults import Fault, broker, clock, database, fcm, messages, network, processes, roles, versions

FAULTS: tuple[Fault, ...] = (
    *processes.FAULTS,
    *broker.FAULTS,
    *database.FAULTS,
    *roles.FAULTS,
    *network.FAULTS,
    *fcm.FAULTS,
    *clock.FAULTS,
    *versions.FAULTS,
    *messages.FAULTS,
)
LEFT_OUT: tuple[str, ...] = (*clock.LEFT_OUT, *database.LEFT_OUT)
"""Kinds that this machine cannot do, and why."""
