"""A project's circuit."""

from shared.ledger.circuit import LONGEST, Blocked, Circuit, Pass, admit, opened


def test_a_closed_circuit_lets_everything_through() -> None:
    """The normal case writes nothing new."""
    assert admit(Circuit(), now=5, interval=15) == Pass(Circuit(), probe=False)


def test_an_open_circuit_blocks_until_its_probe_is_due_and_then_lets_one_through() -> None:
    """Taking the turn moves the next one."""
    circuit = opened(Circuit(), "403", now=100, interval=15, probe=False)
    assert admit(circuit, now=110, interval=15) == Blocked(5)
    turn = admit(circuit, now=115, interval=15)
    assert isinstance(turn, Pass)
    assert turn.probe
    assert admit(turn.circuit, now=115, interval=15) == Blocked(15)


def test_probes_that_fail_are_further_and_further_apart_up_to_a_limit() -> None:
    """15, 30, 60 … 240 seconds."""
    circuit, now, waits = opened(Circuit(), "503", now=0, interval=15, probe=False), 0.0, []
    for _ in range(8):
        waits.append(circuit.probe_at - now)
        now = circuit.probe_at
        circuit = opened(circuit, "503", now=now, interval=15, probe=True)
    assert waits == [15, 30, 60, 120, 240, 240, 240, 240]
    assert max(waits) == 15 * LONGEST


def test_what_was_in_flight_when_it_opened_counts_once() -> None:
    """Four batches that fail together are one failure."""
    circuit = opened(Circuit(), "503", now=0, interval=15, probe=False)
    assert opened(circuit, "503", now=1, interval=15, probe=False) == circuit
