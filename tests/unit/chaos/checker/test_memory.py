"""Memory by process."""

from tests.chaos.checker.memory import bounded
from tests.unit.chaos.checker.healthy import healthy


def test_a_process_that_has_grown_is_found() -> None:
    """With its size and its role's bound."""
    assert bounded(healthy(memory={"planner-2": 700_000_000})) == ["planner-2 held 700 MB, more than 250 MB"]
