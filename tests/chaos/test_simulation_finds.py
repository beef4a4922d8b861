"""The simulation finds what it is there to find: a safeguard of the design, taken out, shows within a few schedules."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from multiprocessing.pool import Pool
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import TextClause

from services.planner.store import Store as PlannerStore
from services.sender.sending import Sending
from shared import db
from shared.ledger import claiming, completion, letters, releasing, sweeping
from shared.ledger.sweeping import Swept
from shared.outbox import Relay
from shared.sqlstates import Trouble, find_trouble
from tests.chaos.simulation.condition import draw_spells
from tests.chaos.simulation.ledger.memory import STATEMENTS, Transaction, Values
from tests.chaos.simulation.plan import Plan, draw
from tests.chaos.simulation.schedule import play
from tests.chaos.simulation.weather import Climate

MOST = 2000
"""Schedules within which a mistake must show: most do within ten, one in two hundred."""
CLIMATE = Climate(slow=0.05, fail=0.02, stall=0.03, twice=0.1, late=0.1, flaky=0.1, silent=0.1)
"""Processes that are stopped past their leases, and requests that nobody answers: where safeguards are needed."""

Mutation = Callable[[], AbstractContextManager[object]]


def instead(*changes: tuple[TextClause, Callable[[Callable[..., Any], Transaction, Values], Any]]) -> Mutation:
    """Statements of the ledger that do something else."""
    changed = {statement.text: partial(does, STATEMENTS[statement.text]) for statement, does in changes}
    return lambda: patch.dict(STATEMENTS, changed)


def any_epoch(real: Callable[..., Any], tx: Transaction, values: Values) -> Any:
    """Find a batch whatever epoch the message names."""
    batch = tx.tables.batches.get((values["campaign_id"], values["batch_no"]))
    return real(tx, {**values, "epoch": values["epoch"] if batch is None else batch.epoch})


def claim_nothing(real: Callable[..., Any], tx: Transaction, values: Values) -> Any:
    """Tell the targets of a batch at another epoch, which stays as it is."""
    key = (values["campaign_id"], values["batch_no"])
    batch = tx.tables.batches[key]
    targets = real(tx, {**values, "epoch": batch.epoch})
    if batch.epoch != values["epoch"]:
        tx.tables.batches[key] = batch
    return targets


def any_holder(real: Callable[..., Any], tx: Transaction, values: Values) -> Any:
    """Release a batch, whichever sender holds it now."""
    batch = tx.tables.batches[values["campaign_id"], values["batch_no"]]
    return real(tx, {**values, "epoch": batch.epoch, "holder": batch.holder})


def without_doubt(real: Callable[..., Any], tx: Transaction, values: Values) -> Any:
    """Release a batch as if every request had been answered."""
    return real(tx, {**values, "doubt": False})


def complete_again(real: Callable[..., Any], tx: Transaction, values: Values) -> Any:
    """Complete a campaign that is complete."""
    campaign = tx.tables.campaigns[values["id"]]
    if campaign.status == "completed":
        return [campaign]
    return real(tx, values)


def epoch_stands(real: Callable[..., Any], tx: Transaction, values: Values) -> Any:
    """Bring a lost lease back without moving on its epoch."""
    return real(tx, {**values, "steps": [0] * len(values["steps"])})


def give_back_at_its_epoch(real: Callable[..., Any], tx: Transaction, values: Values) -> Any:
    """Give a batch back and leave its epoch to the message that is about to be acked."""
    return [tx.batch(batch, epoch=batch.epoch - 1) for batch in real(tx, values)]


def open_in_the_outcomes_only(outcomes: str, _reported: str) -> list[int]:
    """Forget what was reported and is not merged yet."""
    return [position for position, letter in enumerate(outcomes) if letter == "."]


def last_result_wins(left: str, right: str) -> str:
    """Merge as an update instead of a join."""
    return "".join(b if b != "." else a for a, b in zip(left, right, strict=True))


async def commit_unconfirmed(self: Relay) -> int:
    """Relay without waiting for the confirm of what is deleted."""
    real = asyncio.gather

    async def all_well(*work: Any, **_options: Any) -> list[None]:
        await real(*work, return_exceptions=True)
        return [None] * len(work)

    with patch("shared.outbox.asyncio.gather", all_well):
        return await RELAY_ONCE(self)


RELAY_ONCE = Relay.relay_once


async def sweep_nothing(_self: PlannerStore, **_options: Any) -> Swept:
    """Bring nothing back."""
    return Swept()


def only_what_may_be_the_servers(error: BaseException) -> Trouble | None:
    """Take for trouble what a list of the server's states names, and for a crash whatever else PostgreSQL says."""
    trouble = find_trouble(error)
    listed = trouble is None or not trouble.sqlstate or trouble.sqlstate.startswith(("08", "53", "57P", "57014", "58"))
    return trouble if listed else None


async def try_once(_self: Sending, _what: str, work: Callable[[], Awaitable[object]], **_options: object) -> object:
    """Try it once, and leave the rest to the sweeps."""
    return await work()


MUTATIONS: dict[str, tuple[Mutation, str]] = {
    "a claim that ignores the epoch": (
        instead((claiming.FIND, any_epoch), (claiming.CLAIM, claim_nothing)),
        "times; its batch",
    ),
    "a release that ignores its fence": (instead((releasing.RELEASE, any_holder)), "repeated"),
    "a release that forgets its doubt": (instead((releasing.RELEASE, without_doubt)), "contradicts FCM's record"),
    "a completion that is told twice": (instead((completion.COMPLETE, complete_again)), "final event"),
    "a lost lease that keeps its epoch": (instead((sweeping.BACK, epoch_stands)), ""),
    "a batch given back at its epoch": (
        instead((claiming.GIVE_BACK, give_back_at_its_epoch)),
        "and in no queue",
    ),
    "a merge that is no join": (lambda: patch.object(letters, "join", last_result_wins), "a result of epoch"),
    "a sender that sends again what is reported": (
        lambda: patch.object(letters, "open_positions", open_in_the_outcomes_only),
        "times; its batch",
    ),
    "a relay that does not wait for confirms": (
        lambda: patch.object(Relay, "relay_once", commit_unconfirmed),
        "never told",
    ),
    "a timekeeper that sweeps nothing": (lambda: patch.object(PlannerStore, "sweep", sweep_nothing), "stuck"),
}


ILL: dict[str, tuple[Mutation, str]] = {
    "a list of what may be the server's fault": (
        lambda: patch.object(db, "find_trouble", only_what_may_be_the_servers),
        "died of",
    ),
    "a handler that crashes at what no list names": (
        lambda: patch.object(db, "find_trouble", only_what_may_be_the_servers),
        "message.crashed",
    ),
    "a release that is tried once": (
        lambda: patch.object(Sending, "_retry", try_once),
        "repeats, and nothing but PostgreSQL was in trouble",
    ),
}
"""What shows while nothing but PostgreSQL is in trouble."""


def ill(seed: int) -> Plan:
    """A schedule in which nothing else is."""
    plan = draw(seed)
    return replace(plan, climate=Climate(), spells=draw_spells(Random(seed), plan.foul_until))


def disturbed(seed: int) -> Plan:
    """One in which PostgreSQL is well."""
    return replace(draw(seed), climate=CLIMATE, spells=())


def found(mistake: str) -> bool:
    """Whether schedules find it, in the words of the check that is there for it."""
    mutation, words = {**MUTATIONS, **ILL}[mistake]
    plan = ill if mistake in ILL else disturbed
    with mutation():
        plans = (plan(100_000 + number) for number in range(MOST))
        return any(words in failure for schedule in plans for failure in play(schedule).failures)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("mistake", [*MUTATIONS, *ILL])
def test_a_safeguard_taken_out_is_missed(mistake: str, elsewhere: Pool) -> None:
    """Within a few hundred schedules."""
    assert elsewhere.apply(found, (mistake,)), f"{mistake} was not found in {MOST} schedules"
