"""All kinds of faults, for a broker of one node and for one of three."""

from tests.chaos.faults import (
    Fault,
    broker,
    clock,
    cluster,
    database,
    failover,
    fcm,
    messages,
    network,
    patience,
    processes,
    roles,
    versions,
)
from tests.chaos.replica import Replica

FAULTS: tuple[Fault, ...] = (
    *processes.FAULTS,
    *broker.FAULTS,
    *database.FAULTS,
    *roles.FAULTS,
    *network.FAULTS,
    *patience.FAULTS,
    *fcm.FAULTS,
    *clock.FAULTS,
    *versions.FAULTS,
    *messages.FAULTS,
)
OF_CLUSTER: tuple[Fault, ...] = (
    *(fault for fault in FAULTS if fault.kind != broker.KILLED),
    *cluster.FAULTS,
)
"""A node's loss stands in for the broker's."""
LEFT_OUT: tuple[str, ...] = (*clock.LEFT_OUT, *database.LEFT_OUT)
"""Kinds that this machine cannot do, and why."""


def faults_of(*, clustered: bool, replica: Replica = Replica.NONE) -> tuple[Fault, ...]:
    """The kinds that fit the broker."""
    faults = OF_CLUSTER if clustered else FAULTS
    if replica is Replica.NONE:
        return faults
    one = failover.SYNCHRONOUS if replica is Replica.SYNCHRONOUS else failover.ASYNCHRONOUS
    return (*(fault for fault in faults if fault is not database.FULL), one)
