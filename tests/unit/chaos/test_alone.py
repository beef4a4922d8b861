"""One fault at a time: which, and what it may cost."""

from tests.chaos.alone import Cost, chosen
from tests.chaos.faults.every import FAULTS
from tests.chaos.history import Happened


def test_words_choose_kinds_and_targets() -> None:
    """Case does not matter; a length that is asked for is taken."""
    found = chosen(FAULTS, "postgresql read-only · the server, connections STAY", 1, 4.0)
    assert [(fault.kind, aimed.target, aimed.lasts) for fault, aimed in found] == [
        ("PostgreSQL read-only", "the server, connections stay", 4.0)
    ]
    assert {fault.kind for fault, _ in chosen(FAULTS, "postgresql", 1, None)} == {
        fault.kind for fault in FAULTS if fault.kind.startswith("PostgreSQL")
    }
    assert chosen(FAULTS, "no such thing", 1, None) == []


def test_a_fault_of_postgresql_may_cost_nothing() -> None:
    """Repeats, leases, processes and dead letters are told, each with its figure."""
    happened = Happened(1.0, "PostgreSQL read-only", "the server")
    assert Cost(happened, 1, 6000).wrong == []
    dear = Cost(happened, 1, 6000, deaths=["api ended"], dead_letters=2, repeats=300, lost_leases=1)
    assert dear.wrong == [
        "PostgreSQL read-only (the server) cost 300 of 6000 messages sent twice",
        "PostgreSQL read-only (the server) cost 1 leases lost",
        "PostgreSQL read-only (the server) cost 2 dead letters",
        "PostgreSQL read-only (the server) cost api ended",
    ]


def test_a_fault_that_kills_may_cost_what_at_least_once_allows() -> None:
    """Unless it could not be done: then nothing was shown."""
    assert Cost(Happened(1.0, "SIGKILL sender", "sender-1"), 1, 6000, repeats=40, lost_leases=1).wrong == []
    assert "could not be done" in Cost(Happened(1.0, "SIGKILL sender", "sender-1", fizzled="gone"), 1, 1).wrong[0]
