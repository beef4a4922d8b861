"""The gateway to the FCM in memory: an answer belongs to its request, and each request is counted once."""

import json
from random import Random

import pytest

from services.fcm_emulator.answers import Answer as Word
from services.sender.gateways import ACCEPTED, Answer, Pace, Route
from tests.chaos.simulation.boundary import Boundary
from tests.chaos.simulation.fcm import Fcm, Storm
from tests.chaos.simulation.gateway import CUT, SimulatedGateway
from tests.chaos.simulation.history import History
from tests.chaos.simulation.loop import VirtualLoop
from tests.chaos.simulation.process import Process
from tests.chaos.simulation.weather import Climate, Weather

ROUTE = Route("p0", "https://fcm/p0", ())
MANY = 50
"""Requests enough for one to come to lie where another lay that is gone."""


class Ground:
    """One sender's gateway and what its requests were told; FCM says `storm` to every one of them."""

    def __init__(self, storm: Word | None = None) -> None:
        self.loop = VirtualLoop()
        history = History(self.loop.time, on=False)
        weather = Weather(Random(1), Climate(), self.loop.time, history, lease=12.0)
        storms = () if storm is None else (Storm("p0", 0.0, 1000.0, storm),)
        self.fcm = Fcm(weather, history, rates={"p0": 10.0}, dead=set(), foreign=set(), storms=storms)
        self.process = Process(self.loop, "sender")
        self.gateway = SimulatedGateway(Boundary(self.process, weather), self.fcm)
        self.told: dict[str, Answer] = {}
        weather.latency = lambda: 0.1  # type: ignore[method-assign]

    def send(self, at: float, *tokens: str) -> None:
        """Have the process send a batch that may start at a time; while it is stopped, that waits."""
        bodies = [json.dumps({"message": {"token": token, "data": {"campaign": "1"}}}).encode() for token in tokens]

        def on_answer(position: int, answer: Answer) -> None:
            self.told[tokens[position]] = answer

        async def work() -> None:
            await self.gateway.send_batch(bodies, route=ROUTE, on_answer=on_answer, pace=Pace(start_at=at))

        self.process.spawn(work())

    def play(self, until: float) -> None:
        """Let time pass until then."""
        self.loop.run_until_complete(self._pass(until))
        assert self.loop.dispose() == []

    async def _pass(self, until: float) -> None:
        done = self.loop.create_future()
        self.loop.in_world(until, done.set_result, None)
        await done


def test_a_break_that_comes_after_the_answer_reaches_no_request_that_started_since() -> None:
    """Both wait while the process stands still, and the next batch starts between them."""
    first, second = ([f"{batch}-{number}" for number in range(MANY)] for batch in ("first", "second"))
    ground = Ground()
    ground.send(1.0, *first)
    ground.loop.in_world(1.15, ground.process.stop, 5.0)
    ground.send(1.3, *second)
    ground.loop.in_world(1.4, ground.gateway.cut)
    ground.play(20.0)
    assert ground.told == dict.fromkeys([*first, *second], ACCEPTED)
    assert not ground.fcm.record.unanswered


@pytest.mark.parametrize("after", [0.05, 0.15])
def test_what_is_in_flight_when_the_connection_breaks_stays_unanswered(after: float) -> None:
    """Whether it has reached FCM or not."""
    ground = Ground()
    ground.send(1.0, "target")
    ground.loop.in_world(1.0 + after, ground.gateway.cut)
    ground.play(20.0)
    assert ground.told == {"target": CUT}
    assert ground.fcm.record.unanswered == {(1, "target"): 1}


def test_a_request_that_fcm_leaves_unanswered_counts_once_when_its_connection_breaks_too() -> None:
    """It excuses one repeat, not two."""
    ground = Ground(Word.HANG)
    ground.send(1.0, "target")
    ground.loop.in_world(2.0, ground.gateway.cut)
    ground.play(20.0)
    assert ground.told == {"target": CUT}
    assert ground.fcm.record.unanswered == {(1, "target"): 1}
