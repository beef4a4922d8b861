"""The same moves on both ledgers: the same answers, and the same rows after each."""

import os
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from random import Random
from typing import Any, TypeVar

import pytest

from services.planner.store import Lost, Stepped
from services.sender.answers import Verdict
from services.sender.incidents import Incidents, Recovered
from shared.contracts.messages import BatchReady, BatchResult
from shared.errors import MalformedMessageError
from shared.ledger import letters
from shared.ledger.claiming import Claim
from shared.ledger.letters import ORDER
from shared.ledger.sweeping import Swept
from shared.topology import Lane
from tests.contracts.ledger.desk import START, Time, said
from tests.contracts.ledger.memory import MemoryDesk
from tests.contracts.ledger.picture import Rows, difference, in_order, plain
from tests.contracts.ledger.postgresql import PostgresqlDesk, postgresql_desk

T = TypeVar("T")
PLAYS = int(os.environ.get("CARILLON_LEDGER_TWINS", "40"))
MOVES_OF_A_PLAY = 100
LOOK = 3
"""Moves between looks at all rows; answers are compared at every move."""
PROJECTS = ("default", "other")
WAITS = (0.015625, 1.0, 2.5, 11.0, 16.0, 61.0, 130.0, 310.0, 3700.0)
"""Seconds that may pass: nothing, a claim's pace, a publishing, a probe, a minute, a lease, a report, an hour."""
RATES = (None, 0.25, 1.0, 50.0)
LATELY = 8
"""Messages, claims and results that moves choose from: the latest, old ones among them."""


@dataclass(frozen=True)
class Dice:
    """What chance decides in a move."""

    pick: int = 0
    other: int = 0
    letters: str = "AA"
    heads: bool = True
    tails: bool = False


MOVES = {
    "plan": 10,
    "plan_stale": 1,
    "take": 6,
    "stamp": 6,
    "claim": 24,
    "give_back": 2,
    "without_credentials": 0.3,
    "release": 18,
    "record_incidents": 3,
    "merge": 10,
    "merge_poison": 1,
    "sweep": 7,
    "close": 5,
    "wait": 10,
    "keep_time": 3,
    "draft": 2,
    "send": 3,
    "pause": 1.5,
    "resume": 4,
    "cancel": 1.2,
    "steer": 2,
    "stop_all": 0.5,
    "resume_all": 2,
    "refresh": 1,
    "look": 1,
}
"""Moves with their weights: work is common, a disturbance rare."""


class Twins:
    """Any caller of any store, at any time, with anything that it may hold."""

    def __init__(self, seed: int, postgresql: PostgresqlDesk, *, delivery: str) -> None:
        self.rng = Random(f"{delivery} {seed}")
        self.postgresql = postgresql
        self.time = postgresql.time
        self.delivery = delivery
        self.told: list[str] = []
        self.memory = MemoryDesk(self.time)
        self.campaigns: list[int] = []
        self.devices: list[int] = []
        self.messages: list[BatchReady] = []
        self.tried: list[BatchReady] = []
        self.claims: list[Claim] = []
        self.results: list[BatchResult] = []

    async def both(self, verb: str, *arguments: Any, of: str = "", **options: Any) -> Any:
        """Do the same on both, compare what they say; returns it."""
        self.told.append(f"{verb}{arguments}{options or ''}")
        answers = []
        for desk in (self.memory, self.postgresql):
            work = getattr(getattr(desk, of) if of else desk, verb)
            answers.append(_orderly(await _caught(work(*arguments, **options))))
        here, there = answers
        assert difference(plain(here), plain(there), verb) is None
        return here

    async def play(self) -> None:
        """Two projects, a few devices in each, a campaign to them; then whatever chance makes of it."""
        self.time.now = START
        await self.postgresql.reset()
        await self.both("add_project", "other", rate=3.0)
        self.devices = await self.both("devices", self.rng.randint(1, 24))
        self.devices += await self.both("devices", self.rng.randint(0, 3), project="other", platform="ios")
        self.campaigns = [await self.both("draft", delivery=self.delivery, rate=self.rng.choice(RATES))]
        await self.both("send", self.campaigns[0])
        moves, weights = list(MOVES), list(MOVES.values())
        for number, move in enumerate(self.rng.choices(moves, weights, k=MOVES_OF_A_PLAY), 1):
            await getattr(self, move)(self.throw())
            if number % LOOK == 0:
                here, there = _by_campaign(await self.memory.rows()), _by_campaign(await self.postgresql.rows())
                assert difference(here, there, move) is None

    def throw(self) -> Dice:
        """Throw the dice."""
        rng = self.rng
        said_ = "".join(rng.choices(f"{ORDER}.....AAAU", k=2))
        return Dice(rng.randrange(LATELY), rng.randrange(LATELY), said_, rng.random() < 0.5, rng.random() < 0.5)

    def campaign(self, dice: Dice) -> int:
        """Choose a campaign."""
        return self.campaigns[dice.other % len(self.campaigns)]

    # The planner.

    async def plan(self, dice: Dice) -> None:
        """Do the ledger's step."""
        stepped = await self.both("step", self.campaign(dice))
        self.messages += stepped.batches if stepped else []

    async def plan_stale(self, dice: Dice) -> None:
        """Another step than the ledger's."""
        await self.both("step", self.campaign(dice), ahead=dice.pick - 2)

    async def take(self, dice: Dice) -> None:
        """Take what no step will publish."""
        for campaign in await self.both("leftovers", of="planner"):
            taken = await self.both("take_leftover", campaign, of="planner")
            self.messages += taken
            if dice.heads:
                await self.both("stamp", taken, of="planner")

    async def stamp(self, dice: Dice) -> None:
        """Stamp some, old or new."""
        chosen = self.messages[-1 - dice.pick :]
        await self.both("stamp", [one for one in chosen if one.campaign_id == chosen[0].campaign_id], of="planner")

    async def close(self, dice: Dice) -> None:
        """Do a pass, cancelled or not."""
        self.results += await self.both("close", self.campaign(dice))

    async def sweep(self, dice: Dice) -> None:
        """Sweep."""
        swept = await self.both("sweep", busy_lanes=["normal"] if dice.tails else [], of="planner")
        self.results += swept.results

    async def keep_time(self, _: Dice) -> None:
        """What else is due."""
        await self.both("start_due", of="planner")
        await self.both("command_lost_steps", of="planner")

    # The senders.

    async def claim(self, dice: Dice) -> None:
        """Claim by a message that is new, or by any of the latest."""
        if self.messages:
            untried = [one for one in self.messages if one not in self.tried]
            message = untried[0] if untried and dice.heads else self.messages[-1 - dice.pick % len(self.messages)]
            self.tried.append(message)
            outcome = await self.both("claim", message, f"sender-{dice.other % 2}")
            self.claims += [outcome] if isinstance(outcome, Claim) else []

    async def give_back(self, dice: Dice) -> None:
        """Give a batch back that was not claimed, if that is true."""
        if self.messages:
            message = self.messages[-1 - dice.pick % len(self.messages)]
            await self.both("give_back", message, wait=WAITS[dice.other % len(WAITS)], of="sender")

    async def without_credentials(self, dice: Dice) -> None:
        """The same for want of credentials."""
        if self.messages:
            message = self.messages[-1 - dice.pick % len(self.messages)]
            await self.both("without_credentials", message, "no credentials", of="sender")

    async def release(self, dice: Dice) -> None:
        """Release any claim that there ever was, with any letters, and publish result and retry, or neither."""
        if not self.claims:
            return
        claim = self.claims[-1 - dice.pick % min(3, len(self.claims))]
        if dice.other == 0:
            claim = replace(claim, holder="nobody")
        outcomes = "".join(
            letter if place in claim.open_positions else letters.PENDING
            for place, letter in enumerate(dice.letters[: claim.size])
        )
        bad = {place: f"CODE_{letter}" for place, letter in enumerate(outcomes) if letter in "RUD"}
        dead = {t.position: t.hash.hex() for t in claim.targets if outcomes[t.position] == letters.UNREGISTERED}
        epoch = await self.both("release", claim, outcomes, unanswered=dice.tails, codes=bad, dead=dead)
        known = outcomes if epoch is not None else letters.observed(outcomes)
        if dice.heads or epoch is None:
            samples = {code: f"said {code}" for code in bad.values()}
            self.results.append(said(claim, known, codes=bad, dead=dead, samples=samples))
        if epoch is not None:
            last = next(one for one in reversed(self.messages) if one.batch_no == claim.batch_no)
            again = {"campaign_id": claim.campaign_id, "batch_no": claim.batch_no, "epoch": epoch}
            self.messages.append(last.model_copy(update={**again, "project": claim.project}))

    async def record_incidents(self, dice: Dice) -> None:
        """Tell something of the project, a platform, the campaign."""
        if not self.claims:
            return
        claim = self.claims[-1 - dice.pick % len(self.claims)]
        nothing = Recovered()
        said_ = (
            (Incidents(quota_wait=float(dice.pick)), nothing),
            (Incidents(open_circuit="PERMISSION_DENIED"), nothing),
            (Incidents(stop_platforms=(("ios", "APNs key"),)), nothing),
            (Incidents(stop_campaign=Verdict(None, "INVALID_ARGUMENT", "no")), nothing),
            (Incidents(), Recovered(project=True)),
            (Incidents(), Recovered(project=True, platforms=frozenset({"ios"}))),
        )[dice.other % 6]
        await self.both("record_incidents", claim, *said_, of="sender")

    # The aggregator.

    async def merge(self, dice: Dice) -> None:
        """Merge a window of late results, some of them for the second time."""
        window = self.results[-1 - dice.pick :]
        if dice.tails:
            window = window[::-1] + window[:1]
        await self.both("merge", *window)

    async def merge_poison(self, dice: Dice) -> None:
        """A result of no batch, or of another size, takes its whole window along."""
        if self.results:
            good = self.results[-1 - dice.pick % len(self.results)]
            lie = {"batch_no": 99} if dice.heads else {"outcomes": "AAA"}
            await self.both("merge", good, good.model_copy(update=lie))

    # The operator, the devices and the clock.

    async def draft(self, dice: Dice) -> None:
        """Write another campaign, to all or to some, now or later."""
        if len(self.campaigns) < 3:
            named = {"kind": "devices", "device_ids": self.devices[: dice.pick]}
            users = {"kind": "users", "user_ids": ["user-1", "user-3"]}
            self.campaigns.append(
                await self.both(
                    "draft",
                    audience=(named, users, {"kind": "all"})[dice.other % 3],
                    priority=list(Lane)[dice.pick % 3].value,
                    delivery=self.delivery,
                    rate=RATES[dice.pick % len(RATES)],
                    ttl=60 if dice.tails else 36_000,
                    scheduled_at=self.time.now + 5 if dice.heads else None,
                )
            )

    async def send(self, dice: Dice) -> None:
        """Send."""
        await self.both("send", self.campaign(dice))

    async def pause(self, dice: Dice) -> None:
        """Pause."""
        await self.both("pause", self.campaign(dice))

    async def resume(self, dice: Dice) -> None:
        """Resume."""
        await self.both("resume", self.campaign(dice))

    async def cancel(self, dice: Dice) -> None:
        """Cancel; half the time the operator thinks better of it."""
        if dice.tails:
            await self.both("cancel", self.campaign(dice))

    async def steer(self, dice: Dice) -> None:
        """Another rate, another lane."""
        rate, lane = RATES[dice.pick % len(RATES)], list(Lane)[dice.pick % 3]
        await self.both("steer", self.campaign(dice), rate=rate, lane=lane)

    async def stop_all(self, dice: Dice) -> None:
        """Stop everything, or a project."""
        await self.both("stop_all", None if dice.heads else PROJECTS[dice.pick % 2])

    async def resume_all(self, _: Dice) -> None:
        """Undo all stops."""
        await self.both("resume_all")

    async def refresh(self, dice: Dice) -> None:
        """A device gets another token, and is active again."""
        await self.both("refresh", self.devices[dice.pick % len(self.devices)], f"fresh-{len(self.told)}")

    async def wait(self, dice: Dice) -> None:
        """Time passes."""
        self.time.now += WAITS[(dice.pick + dice.other) % len(WAITS)]
        await self.postgresql.wait(0)

    async def look(self, dice: Dice) -> None:
        """What senders look at."""
        await self.both("look_at", self.campaigns[: 1 + dice.pick], of="sender")
        await self.both("hindrances", of="sender")


async def _caught(work: Coroutine[Any, Any, T]) -> T | str:
    """What comes of it: a poison result is an answer too."""
    try:
        return await work
    except MalformedMessageError as error:
        return str(error)


def _orderly(answer: Any) -> Any:
    """The same answer with what has no order put in one."""
    if isinstance(answer, Stepped):
        return replace(answer, batches=in_order(answer.batches))
    if isinstance(answer, Swept):
        return replace(answer, results=in_order(answer.results))
    if isinstance(answer, Claim):
        return replace(answer, targets=tuple(sorted(answer.targets, key=lambda target: target.position)))
    if isinstance(answer, Lost):
        return Lost(sorted(answer.steps), sorted(answer.closings))
    if isinstance(answer, list) and answer and isinstance(answer[0], BatchReady | BatchResult):
        return in_order(answer)
    return answer


def _by_campaign(rows: Rows) -> Rows:
    """The same rows, the outbox's in order for each campaign: between campaigns it has none."""
    return {**rows, "outbox": sorted(rows["outbox"], key=lambda row: str(row["correlation"]))}


@pytest.mark.timeout(300 + PLAYS * 10)
@pytest.mark.parametrize("delivery", ["at_least_once", "at_most_once"])
async def test_both_ledgers_answer_every_call_alike_and_keep_the_same_rows(
    database_url: str, delivery: str, time: Time
) -> None:
    """The same moves on every run; CARILLON_LEDGER_TWINS=2000 makes that many plays."""
    async with postgresql_desk(database_url, time) as postgresql:
        for seed in range(PLAYS):
            twins = Twins(seed, postgresql, delivery=delivery)
            try:
                await twins.play()
            except Exception as error:
                error.add_note(f"in play {seed}, whose last calls were:\n" + "\n".join(twins.told[-12:]))
                raise
