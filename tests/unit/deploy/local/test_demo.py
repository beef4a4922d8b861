"""The demo's verdict."""

from pathlib import Path

import pytest
from rich.console import Console

from deploy.local.audit import Audit
from deploy.local.campaign_run import Measures
from deploy.local.demo import _judge, _tell
from deploy.local.errors import UnbalancedError

BALANCED = Measures(2, outcomes={"accepted": 2}, balanced=True)
PENDING = Measures(2, outcomes={"accepted": 1, "pending": 1}, balanced=False)


@pytest.mark.parametrize(
    ("measures", "verdict"), [(PENDING, Audit()), (BALANCED, Audit(faults=["1 devices planned twice"]))]
)
def test_either_book_can_fail_the_demo(measures: Measures, verdict: Audit) -> None:
    """A pending device, or a record that disagrees; the folder with the evidence is named."""
    with pytest.raises(UnbalancedError, match="/kept/demo"):
        _judge(measures, verdict, Path("/kept/demo"))


def test_two_books_that_agree_pass() -> None:
    """Nothing is raised, and the seal says so."""
    _judge(BALANCED, Audit(), Path("/kept"))
    console = Console(width=120)
    with console.capture() as printed:
        _tell(console, BALANCED, Audit())
    assert "balanced: 2 of 2 devices" in printed.get()
    assert "NOT BALANCED" not in printed.get()


def test_a_fault_is_told_plainly() -> None:
    """The seal is broken in words, with the finding."""
    console = Console(width=120)
    with console.capture() as printed:
        _tell(console, PENDING, Audit(faults=["1 devices without an outcome, such as [token]"]))
    assert "NOT BALANCED" in printed.get()
    assert "such as [token]" in printed.get()
