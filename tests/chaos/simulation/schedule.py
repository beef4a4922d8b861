"""One schedule from its seed: foul weather, then fair, until every campaign is final; then the books are compared."""

import asyncio
import gc
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from tests.chaos.simulation.broker.server import Broker
from tests.chaos.simulation.checks import Findings, compare, stranded
from tests.chaos.simulation.condition import Condition
from tests.chaos.simulation.disturbances import Disturbances
from tests.chaos.simulation.environment import EPOCH, environment
from tests.chaos.simulation.fcm import Fcm
from tests.chaos.simulation.fleet import Fleet
from tests.chaos.simulation.history import History
from tests.chaos.simulation.ledger import Ledger
from tests.chaos.simulation.loop import EndlessError, VirtualLoop
from tests.chaos.simulation.operator import Operator
from tests.chaos.simulation.outbox import Rows
from tests.chaos.simulation.plan import TIMES, Plan, draw
from tests.chaos.simulation.services import DRAIN, Surroundings
from tests.chaos.simulation.weather import Climate, Weather

LONGEST = 3600.0
"""Seconds of fair weather in which every campaign must end; the longest retry rung is half of that."""
LOOK = 0.5
"""Seconds between looks: what must always hold, whether it is over."""
SETTLES = 120.0
"""Seconds in which what follows the last campaign's end must be through: events, stale references, late messages."""


@dataclass(slots=True)
class Outcome:
    """What became of a schedule; `failures` empty: everything held."""

    seed: int
    failures: list[str]
    faults: Counter[str] = field(default_factory=Counter)
    campaigns: Counter[str] = field(default_factory=Counter)
    devices: int = 0
    repeats: int = 0
    seconds: float = 0.0
    turns: int = 0
    history: list[str] = field(default_factory=list)


def run(seed: int, *, history: bool = False) -> Outcome:
    """Play the schedule of a seed."""
    return play(draw(seed), history=history)


def play(plan: Plan, *, history: bool = False) -> Outcome:
    """Play a schedule; whatever the collector of garbage does, it does between schedules."""
    loop = VirtualLoop()
    written = History(loop.time, on=history)
    collecting = gc.isenabled()
    gc.disable()
    try:
        with environment(loop, written, batch=plan.batch) as logs:
            world = World(loop, plan, written)
            asyncio.set_event_loop(None)
            try:
                loop.run_until_complete(world.play())
            except EndlessError as error:
                world.failures.append(f"it never ends: {error}")
            outcome = world.outcome()
            outcome.failures += logs.loud
            outcome.failures += [f"an error that nobody looked at: {error}" for error in loop.dispose()]
    finally:
        if collecting:
            gc.enable()
    outcome.history = written.lines
    return outcome


class World:
    """Everything that a schedule consists of."""

    def __init__(self, loop: VirtualLoop, plan: Plan, history: History) -> None:
        self._loop = loop
        self._plan = plan
        self._history = history
        rng = Random(f"weather {plan.seed}")
        self._weather = Weather(rng, plan.climate, loop.time, history, lease=TIMES.lease)
        self._ledger = Ledger(lambda: EPOCH.timestamp() + loop.time(), TIMES)
        self._broker = Broker(loop, self._weather, history)
        self._fcm = Fcm(
            self._weather,
            history,
            rates=plan.rates,
            dead={device.token for device in plan.devices if device.dead},
            foreign={device.token for device in plan.devices if device.foreign},
            storms=plan.storms,
        )
        self._rows = Rows(self._ledger.database)
        self._ledger.database.condition = self._condition = Condition(
            plan.spells, Random(f"database {plan.seed}"), loop.time, self._weather.happened
        )
        surroundings = Surroundings(self._ledger, self._rows, self._broker, self._fcm, rng)
        sizes = {"planner": plan.planners, "sender": plan.senders, "aggregator": plan.aggregators}
        self._fleet = Fleet(loop, surroundings, self._weather, sizes)
        self._operator = Operator(loop, self._ledger, self._fleet, plan, history)
        self.failures: list[str] = []
        self._findings = Findings()
        self._stranded: list[str] = []

    async def play(self) -> None:
        """Foul weather, fair weather, the end."""
        self._operator.set_up()
        self._fleet.start()
        Disturbances(self._loop, self._weather, self._fleet, self._broker).plan(self._plan.foul_until)
        while (left := self._plan.foul_until - self._loop.time()) > 0:
            await self._look(min(LOOK, left))
        self._history.add("heal")
        self._weather.clear()
        self._condition.over = True
        self._fleet.heal()
        if await self._all_final() and await self._settled():
            await self._ends_in_order()
        self._findings = compare(self._ledger, self._fcm.record, self._broker)
        if self._plan.climate == Climate() and self._findings.repeats:
            self._findings.wrong.append(f"{self._findings.repeats} repeats, and nothing but PostgreSQL was in trouble")

    def outcome(self) -> Outcome:
        """What became of it."""
        return Outcome(
            seed=self._plan.seed,
            failures=[*self.failures, *self._stranded, *self._fleet.faults, *self._findings.wrong],
            faults=self._weather.counts,
            campaigns=self._findings.campaigns,
            devices=self._findings.devices,
            repeats=self._findings.repeats,
            seconds=self._loop.time(),
            turns=self._loop.turns,
        )

    async def _all_final(self) -> bool:
        """Wait until every campaign has ended by itself, an operator resuming what is paused."""
        deadline = self._loop.time() + LONGEST
        while self._loop.time() < deadline:
            self._operator.resume_all()
            if self._operator.all_final():
                return True
            await self._look(LOOK)
        self.failures.append(f"stuck: {self._operator.told()} after {LONGEST:.0f} s of fair weather")
        return False

    async def _look(self, after: float) -> None:
        """See what must hold at every moment; the first time that it does not is enough."""
        await asyncio.sleep(after)
        if not self._stranded:
            self._stranded = stranded(self._ledger, self._broker)

    async def _settled(self) -> bool:
        """Wait until nothing is under way any more, what was sent by a process that was stopped then among it."""
        await asyncio.sleep(max(0.0, self._plan.foul_until + 2 * TIMES.lease - self._loop.time()))
        deadline = self._loop.time() + SETTLES
        while self._loop.time() < deadline:
            self._broker.hurry()
            if not self._broker.messages and not self._rows.table:
                return True
            await asyncio.sleep(LOOK)
        self.failures.append(
            f"not settled: {self._broker.messages} messages in the broker, {len(self._rows.table)} in the outbox"
        )
        return False

    async def _ends_in_order(self) -> None:
        """SIGTERM to all: they end in time."""
        for service in ("planner", "sender", "aggregator"):
            self._fleet.dismiss(service)
        await asyncio.sleep(DRAIN)
        late = [place.service for place in self._fleet.places if place.alive]
        if late:
            self.failures.append(f"still running {DRAIN:.0f} s after SIGTERM: {', '.join(late)}")
