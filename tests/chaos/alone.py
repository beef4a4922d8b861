"""Faults alone: each in the middle of a campaign of its own, on services with the times of production. What it costs.

In chaos many faults strike at once, and leases of seconds are lost for more than one reason. Here everything that is
repeated, lost or buried is the one fault's doing; one of PostgreSQL, which loses no process, may cost nothing.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from shared.topology import DEAD_LETTERS
from tests.chaos.checker.books import repeats
from tests.chaos.checker.state import State
from tests.chaos.faults import Aimed, Fault
from tests.chaos.history import Happened, History
from tests.chaos.playing import Play
from tests.chaos.schedule import Strike
from tests.chaos.stage import Stage
from tests.chaos.witnesses import Witnesses
from tests.chaos.workload import Workload

FREE = ("PostgreSQL",)
"""How the kinds begin that lose no process, and so may cost neither a repeat nor a process nor a dead letter."""
TAKES = 15.0
"""Seconds that a campaign takes when nothing disturbs it."""
STRIKES_AT = 0.25
"""Of its devices have an outcome when the fault strikes."""
USER = 2_000
"""Devices of one user."""
DRAWS = 300
"""Aims until one of a kind is what was asked for."""
FIRST_WITHIN = 60.0
"""Seconds until the fault strikes at the latest."""
SETTLED = "select total - pending as n from campaign where id = $1"


@dataclass
class Cost:
    """What one fault cost; `happened` tells how it was."""

    happened: Happened
    campaign: int
    devices: int
    deaths: list[str] = field(default_factory=list)
    dead_letters: int = 0
    repeats: int = 0
    lost_leases: int = 0
    letters: dict[str, int] = field(default_factory=dict)

    @property
    def wrong(self) -> list[str]:
        """What it cost and may not, in sentences."""
        if self.happened.fizzled:
            return [f"{self.happened.kind} could not be done: {self.happened.fizzled}"]
        if not self.happened.kind.startswith(FREE):
            return []
        costs = {
            f"{self.repeats} of {self.devices} messages sent twice": self.repeats,
            f"{self.lost_leases} leases lost": self.lost_leases,
            f"{self.dead_letters} dead letters": self.dead_letters,
            "; ".join(self.deaths): len(self.deaths),
        }
        return [f"{self.happened.kind} ({self.happened.target}) cost {words}" for words, n in costs.items() if n]

    def told(self) -> str:
        """One line for people."""
        return (
            f"{self.happened.kind} · {self.happened.target}, {self.happened.lasted:.1f} s: {self.repeats} of "
            f"{self.devices:,} sent twice, {self.lost_leases} leases lost, {len(self.deaths)} processes ended, "
            f"{self.dead_letters} dead letters"
        )

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "kind": self.happened.kind,
            "target": self.happened.target,
            "lasted": round(self.happened.lasted, 1),
            "recovery": self.happened.recovery,
            "note": self.happened.note,
            "devices": self.devices,
            "letters": self.letters,
            "sent_twice": self.repeats,
            "leases_lost": self.lost_leases,
            "processes_ended": self.deaths,
            "dead_letters": self.dead_letters,
        }


def chosen(faults: Sequence[Fault], words: str, seed: int, lasts: float | None) -> list[tuple[Fault, Aimed]]:
    """The kinds whose name and target hold `words`, each with the first such target that the seed draws."""
    found = []
    for fault in faults:
        rng = Random(f"alone {seed} {fault.kind}")
        drawn = (fault.aim(rng) for _ in range(DRAWS))
        aimed = next((one for one in drawn if words.lower() in f"{fault.kind} · {one.target}".lower()), None)
        if aimed is not None:
            found.append((fault, aimed if lasts is None else replace(aimed, lasts=lasts)))
    return found


class Alone:
    """One fault after the other on a stage."""

    def __init__(self, stage: Stage, witnesses: Witnesses, say: Callable[[str], None], *, devices: int) -> None:
        self._stage = stage
        self._workload = Workload(stage, Random("alone"))
        self.play = Play(stage, self._workload, History(), witnesses, say)
        self._devices = devices
        self.costs: list[Cost] = []

    @property
    def troubles(self) -> list[str]:
        """Calls that never got through."""
        return self._workload.troubles

    async def prepare(self) -> None:
        """Register the audience, and set a pace at which a campaign lasts long enough."""
        for first in range(0, self._devices, USER):
            await self._workload.new_user(min(USER, self._devices - first))
        await self._stage.rows("update project set rate = $1", self._devices / TAKES)

    async def strike(self, fault: Fault, aimed: Aimed) -> list[str]:
        """Send a campaign, strike in its middle, and wait for its end; what has not ended, in sentences."""
        dead, deaths = await self._dead(), len(self.play.history.deaths)
        campaign = await self._workload.send_to(self._workload.users)
        async with asyncio.timeout(FIRST_WITHIN):
            await self._under_way(campaign)
        self._stage.held |= aimed.touches
        await self.play.strike(Strike(self.play.now(), fault, aimed))
        left = await self.play.to_the_end()
        self.costs.append(
            Cost(
                self.play.history.happened[-1],
                campaign,
                self._devices,
                self.play.history.deaths[deaths:],
                await self._dead() - dead,
            )
        )
        return left

    async def _under_way(self, campaign: int) -> None:
        """Wait until some of its devices have an outcome."""
        while True:
            if (await self._stage.rows(SETTLED, campaign))[0]["n"] >= self._devices * STRIKES_AT:
                return
            await asyncio.sleep(0.05)

    def read(self, state: State) -> None:
        """Take from all books what each fault cost."""
        books = {campaign.id: campaign for campaign in state.campaigns}
        for cost in self.costs:
            campaign = books[cost.campaign]
            cost.repeats = repeats(campaign)
            cost.letters = dict(Counter(entry.letter for entry in campaign.entries).most_common())
            cost.lost_leases = sum(lease.batch.endswith(f"campaign {cost.campaign}") for lease in state.lost)

    async def _dead(self) -> int:
        async with self._stage.channel() as channel:
            count = (await channel.get_queue(DEAD_LETTERS.name)).declaration_result.message_count
            return int(count or 0)


@contextlib.asynccontextmanager
async def alone(stage: Stage, say: Callable[[str], None], *, devices: int) -> AsyncIterator[Alone]:
    """Everything ready for faults to strike one by one; who ends by itself is started again."""
    async with Witnesses(stage) as witnesses:
        one = Alone(stage, witnesses, say, devices=devices)
        await one.prepare()
        keeping = asyncio.create_task(one.play.keep_alive(), name="keep alive")
        try:
            yield one
            await witnesses.rest()
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
