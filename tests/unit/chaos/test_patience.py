"""The fault that has the broker lose patience leaves everything as it was."""

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.chaos.faults import patience


class Ground:
    """Remembers in their order what is done to the broker, the process and its connections."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.log.write_text("consumer.ended before\n")
        self.done: list[str] = []

    def control(self, *arguments: str) -> str:
        """Answer as RabbitMQ does: with what was set before."""
        own = "{consumer_timeout, 2000}" in arguments[1]
        self.done.append("impatient" if own else "patient")
        return "[1800000,60000]\n" if own else "[2000,500]\n"

    def cut(self) -> None:
        """Cut the process's connections."""
        self.done.append("cut")

    def send(self, number: signal.Signals) -> None:
        """Signal the process, which finds its consumer gone when it goes on."""
        self.done.append(number.name)
        if number is signal.SIGCONT:
            with self.log.open("a") as log:
                log.write("consumer.ended since\n")

    @property
    def stage(self) -> Any:
        """As much of a stage as the fault touches."""
        return SimpleNamespace(
            cluster=None,
            stack=SimpleNamespace(broker=SimpleNamespace(control=self.control)),
            process=lambda _name: self,
            links={"sender-3": SimpleNamespace(broker=[self])},
        )


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """A ground on which nothing takes time."""
    for wait in ("STOPPED", "COMES_BACK", "HEARS"):
        monkeypatch.setattr(patience, wait, 0.0)
    return Ground(tmp_path / "sender-3.log")


async def test_the_process_is_stopped_under_an_impatient_broker_and_both_are_as_before(ground: Ground) -> None:
    """Its consumers are registered anew under either patience: they keep the one that they began with."""
    async with patience.lost("sender-3")(ground.stage) as note:
        assert note == "1 consumers were ended"
    assert ground.done == ["impatient", "cut", "SIGSTOP", "SIGCONT", "patient", "cut"]


async def test_a_fault_that_fails_leaves_everything_as_before(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process goes on, the broker is patient again."""

    async def interrupted(seconds: float) -> None:
        if "SIGSTOP" in ground.done and "SIGCONT" not in ground.done:
            raise TimeoutError(seconds)

    monkeypatch.setattr(cast("Any", patience).asyncio, "sleep", interrupted)
    with pytest.raises(TimeoutError):
        async with patience.lost("sender-3")(ground.stage):
            pass
    assert ground.done == ["impatient", "cut", "SIGSTOP", "SIGCONT", "patient", "cut"]
