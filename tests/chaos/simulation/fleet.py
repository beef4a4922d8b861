"""The processes of a schedule: each has a place, and a process that dies is replaced by another a little later."""

import asyncio
from functools import partial

from shared import lifecycle
from shared.errors import BrokerUnavailableError
from tests.chaos.simulation.boundary import Boundary
from tests.chaos.simulation.loop import VirtualLoop
from tests.chaos.simulation.process import Life, Process
from tests.chaos.simulation.services import BUILDERS, Running, Surroundings
from tests.chaos.simulation.weather import Weather


class Place:
    """One replica of a service, life after life."""

    def __init__(self, loop: VirtualLoop, world: Surroundings, weather: Weather, service: str, number: int) -> None:
        self._loop = loop
        self._world = world
        self._weather = weather
        self.service = service
        self._number = number
        self._lives = 0
        self._process: Process | None = None
        self._stop = asyncio.Event()
        self.running = Running()
        self.wanted = True
        self.faults: list[str] = []

    @property
    def alive(self) -> bool:
        """Whether a process is in this place, stopped or not."""
        return self._process is not None and not self._process.dead

    def start(self) -> None:
        """Start a process here, unless one is still there or none is wanted any more."""
        if self.alive or not self.wanted:
            return
        self._lives += 1
        process = self._process = Process(self._loop, f"{self.service}-{self._number}.{self._lives}")
        self._stop, self.running = asyncio.Event(), Running()
        process.when_dead(self._follow)
        self._weather.history.add("start", process.name)
        process.spawn(self._live(process, self._stop, self.running))

    def drain(self) -> None:
        """SIGTERM."""
        if self._process is not None and self._process.life is Life.RUNNING:
            self._weather.history.add("sigterm", self._process.name)
            self._stop.set()

    def wake(self) -> None:
        """SIGCONT."""
        if self._process is not None:
            self._process.resume()

    async def _live(self, process: Process, stop: asyncio.Event, running: Running) -> None:
        """A life as `shared.lifecycle` has it."""
        boundary = Boundary(process, self._weather)
        build = partial(BUILDERS[self.service], self._world, boundary, running)
        ended = "in order"
        try:
            if not await lifecycle._serve(build, stop, asyncio.Event()):
                ended = "a loop of it ended"
                self.faults.append(f"{process.name} ended, for a loop of it did")
        except BrokerUnavailableError as error:
            ended = f"{type(error).__name__}: {error}"
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            ended = f"{type(error).__name__}: {error}"
            self.faults.append(f"{process.name} died of {ended}")
        self._weather.history.add("end", process.name, ended)
        process.end(killed=False)

    def _follow(self) -> None:
        """Kubernetes starts another."""
        self._loop.in_world(self._weather.rng.uniform(0.2, 3.0), self.start)


class Fleet:
    """All places."""

    def __init__(self, loop: VirtualLoop, world: Surroundings, weather: Weather, sizes: dict[str, int]) -> None:
        self.places = [
            Place(loop, world, weather, service, number + 1)
            for service, size in sizes.items()
            for number in range(size)
        ]

    def start(self) -> None:
        """Start every process."""
        for place in self.places:
            place.start()

    def heal(self) -> None:
        """Everybody runs again: the stopped go on, the dead are followed by others."""
        for place in self.places:
            place.wake()
            if place.running.credentials is not None:
                place.running.credentials.missing = False
            place.start()

    def dismiss(self, service: str) -> None:
        """SIGTERM to every process of a service, and no others after them."""
        for place in self.of(service):
            place.wanted = False
            place.drain()

    def of(self, service: str) -> list[Place]:
        """The places of a service."""
        return [place for place in self.places if place.service == service]

    @property
    def faults(self) -> list[str]:
        """Processes that died of something that nobody expects."""
        return [fault for place in self.places for fault in place.faults]
