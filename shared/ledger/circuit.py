"""A project's circuit breaker: closed while FCM takes its messages, open while none can succeed. Pure.

Open means that no claim goes through but one probe at a time, a single message, at intervals that grow. A probe that
FCM answers for its device closes the circuit; one that fails the same way waits longer.
"""

from dataclasses import dataclass, replace

LONGEST = 16
"""Longest interval between probes as a multiple of the first: 4 min with the default of 15 s."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """`reason` None: closed. Times in seconds of PostgreSQL's clock."""

    reason: str | None = None
    probe_at: float = 0.0
    failures: int = 0

    @property
    def closed(self) -> bool:
        """Whether messages flow."""
        return self.reason is None


@dataclass(frozen=True, slots=True)
class Pass:
    """Go on: everything, or a single probe with the circuit as it must be written."""

    circuit: Circuit
    probe: bool


@dataclass(frozen=True, slots=True)
class Blocked:
    """Not before `wait` seconds."""

    wait: float


def admit(circuit: Circuit, *, now: float, interval: float) -> Pass | Blocked:
    """Whether a claim may go through; a probe's turn is taken by moving `probe_at`."""
    if circuit.closed:
        return Pass(circuit, probe=False)
    if now < circuit.probe_at:
        return Blocked(circuit.probe_at - now)
    return Pass(replace(circuit, probe_at=now + _apart(circuit.failures, interval)), probe=True)


def opened(circuit: Circuit, reason: str, *, now: float, interval: float, probe: bool) -> Circuit:
    """Open it; when it is open already only a probe's failure counts, not what was in flight when it opened."""
    if circuit.closed:
        return Circuit(reason, now + interval, 0)
    if not probe:
        return circuit
    return Circuit(reason, now + _apart(circuit.failures + 1, interval), circuit.failures + 1)


def _apart(failures: int, interval: float) -> float:
    return interval * min(LONGEST, 1 << min(failures, LONGEST))
