"""A gateway before an emulator, and what came of its messages."""

from collections import Counter
from collections.abc import Awaitable, Callable

from services.fcm_emulator.answers import Answer as Played
from services.fcm_emulator.app import Emulator
from services.fcm_emulator.script import Script, read_latency
from services.sender.gateways import UNPACED, Answer, Pace, Route
from services.sender.gateways.fcm import FcmGateway
from services.sender.message import BatchTemplate

TEMPLATE = BatchTemplate({"notification": {"title": "안녕", "body": "🔔"}})


class Stage:
    """A gateway, where it sends to, and what it answered."""

    def __init__(self, gateway: FcmGateway, route: Route, emulator: Emulator) -> None:
        self.gateway = gateway
        self.route = route
        self.emulator = emulator
        self.answers: dict[int, Answer] = {}
        self.answered = Counter[int]()

    def on_answer(self, position: int, answer: Answer) -> None:
        """Keep an answer."""
        self.answers[position] = answer
        self.answered[position] += 1

    async def send(self, count: int, pace: Pace = UNPACED) -> int:
        """Send a message each to tokens t0, t1 and so on."""
        bodies = TEMPLATE.bodies([("token", f"t{position}") for position in range(count)])
        return await self.gateway.send_batch(bodies, route=self.route, on_answer=self.on_answer, pace=pace)

    def seen(self, position: int) -> dict[Played, int]:
        """What the emulator did with a token's requests."""
        seen: Counter[Played] = Counter()
        for record in self.emulator.project("p").records.values():
            seen.update(dict(record.history(f"t{position}".encode())))
        return dict(seen)

    def played(self) -> Counter[Played]:
        """What the emulator answered, over all tokens."""
        totals: Counter[Played] = Counter()
        for record in self.emulator.project("p").records.values():
            totals.update(record.totals())
        return totals

    def requests(self) -> int:
        """Requests that reached the emulator."""
        return self.played().total()


MakeStage = Callable[..., Awaitable[Stage]]


def script(latency: str | None = None, **shares: float) -> Script:
    """A script with only the given faults."""
    return Script(shares={Played(name): share for name, share in shares.items()}, latency=read_latency(latency))
