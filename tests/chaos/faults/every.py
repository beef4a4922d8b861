"""All kinds of faults, for a broker of one node and for one of three."""

from tests.chaos.faults import (
    Fault,
    broker,
    clock,
    cluster,
    database,
    fcm,
    messages,
    network,
    processes,
    roles,
    versions,
)

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
OF_CLUSTER: tuple[Fault, ...] = (
    *(fault for fault in FAULTS if fault.kind != broker.KILLED),
    *cluster.FAULTS,
)
"""A node's loss stands in for the broker's."""
LEFT_OUT: tuple[str, ...] = (*clock.LEFT_OUT, *database.LEFT_OUT)
"""Kinds that this machine cannot do, and why."""


def faults_of(*, clustered: bool) -> tuple[Fault, ...]:
    """The kinds that fit the broker."""
    return OF_CLUSTER if clustered else FAULTS
