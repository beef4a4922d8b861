"""What disturbs a schedule from outside, at moments of its own: broken connections, wiped queues, restarts."""

from typing import TYPE_CHECKING

from shared import topology
from tests.chaos.simulation.broker.server import Broker
from tests.chaos.simulation.fleet import Fleet
from tests.chaos.simulation.loop import VirtualLoop
from tests.chaos.simulation.weather import Weather

if TYPE_CHECKING:
    from collections.abc import Callable

WIPEABLE = [queue.name for queue in topology.QUEUES if queue is not topology.DEAD_LETTERS]


class Disturbances:
    """Plans them all when a schedule begins, each kind as often in a minute as the climate says."""

    def __init__(self, loop: VirtualLoop, weather: Weather, fleet: Fleet, broker: Broker) -> None:
        self._loop = loop
        self._weather = weather
        self._fleet = fleet
        self._broker = broker

    def plan(self, until: float) -> None:
        """Put them on the clock."""
        climate, rng = self._weather.climate, self._weather.rng
        kinds: tuple[tuple[float, Callable[[], None]], ...] = (
            (climate.cuts, self._cut),
            (climate.cuts / 4, self._restart_broker),
            (climate.wipes, self._wipe),
            (climate.drains, self._roll),
            (climate.blackouts, self._black_out),
        )
        for often, disturb in kinds:
            at = 0.0
            while often and (at := at + rng.expovariate(often / 60.0)) < until:
                self._loop.in_world(at, disturb)

    def _cut(self) -> None:
        """One process's connections break, to the broker or to FCM."""
        place = self._weather.rng.choice(self._fleet.places)
        if not place.alive:
            return
        self._weather.happened("connection cut", place.service)
        if place.running.gateway is not None and self._weather.rng.random() < 0.5:
            place.running.gateway.cut()
        elif place.running.connections:
            self._weather.rng.choice(place.running.connections).cut()

    def _restart_broker(self) -> None:
        """Every connection breaks; quorum queues keep what they hold."""
        self._weather.happened("broker restarted", "")
        for place in self._fleet.places:
            for connection in place.running.connections:
                connection.cut()

    def _wipe(self) -> None:
        """One queue loses what it holds, or all of them do."""
        rng = self._weather.rng
        self._broker.wipe([rng.choice(WIPEABLE)] if rng.random() < 0.7 else WIPEABLE)

    def _roll(self) -> None:
        """A process is told to end; another follows."""
        place = self._weather.rng.choice(self._fleet.places)
        if place.alive:
            self._weather.happened("sigterm", place.service)
            place.drain()

    def _black_out(self) -> None:
        """A sender has no access tokens for a while."""
        places = [place for place in self._fleet.of("sender") if place.running.credentials is not None]
        if places:
            credentials = self._weather.rng.choice(places).running.credentials
            assert credentials is not None
            self._weather.happened("credentials missing", "")
            credentials.missing = True
            self._loop.in_world(self._weather.rng.uniform(1.0, 10.0), setattr, credentials, "missing", False)
