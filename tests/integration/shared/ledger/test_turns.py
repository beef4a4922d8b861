"""Turns of many senders at one project's row: what must hold when they ask at once."""

import asyncio

import pytest

from shared.ledger import claiming, projects
from shared.ledger.claiming import NotYet
from shared.ledger.projects import BOOKED, Turn, Wait
from shared.ledger.quota import TOLERANCE
from shared.topology import Lane
from tests.integration.shared.ledger.stage import Stage


async def take(stage: Stage, messages: int = 500, lane: Lane = Lane.HIGH) -> Turn | Wait:
    """Ask for a turn in a transaction of its own."""
    async with stage.database.write() as tx:
        return await projects.take_turn(tx, "default", lane=lane, messages=messages, times=stage.times)


async def take_many(stage: Stage, count: int) -> tuple[list[Turn], list[Wait]]:
    """Ask for so many turns at once."""
    answers = await asyncio.gather(*(take(stage) for _ in range(count)))
    turns = [answer for answer in answers if isinstance(answer, Turn)]
    return turns, [answer for answer in answers if isinstance(answer, Wait)]


async def test_turns_taken_at_once_follow_each_other_without_overlap_until_the_tolerance(stage: Stage) -> None:
    """Each starts where the one before ends; who is denied books nothing."""
    await stage.run("update project set rate = 2000")
    turns, waits = await take_many(stage, 10)
    starts = sorted(turn.now + turn.wait for turn in turns)
    length = 500 / (2000 * BOOKED)
    assert [later - starts[0] for later in starts] == pytest.approx([n * length for n in range(len(starts))], abs=1e-3)
    assert max(turn.wait for turn in turns) <= TOLERANCE[Lane.HIGH] + 2 * length
    assert waits
    assert all(0 < wait.seconds <= 2 * length for wait in waits)
    booked = await stage.value("select tat from project")
    assert booked == pytest.approx(starts[-1] + length, abs=1e-3)


async def test_of_many_that_ask_an_open_circuit_exactly_one_is_the_probe(stage: Stage) -> None:
    """Whatever the lane; the others are told when the next one is due."""
    async with stage.database.write() as tx:
        assert await projects.open_circuit(tx, "default", "role missing", probe=False, times=stage.times)
    turns, waits = await take_many(stage, 8)
    assert (turns, len(waits)) == ([], 8)
    await stage.run("update project set circuit_probe_at = 0")
    turns, waits = await take_many(stage, 8)
    assert [turn.probe for turn in turns] == [True]
    assert all(0 < wait.seconds <= stage.times.probe for wait in waits)


async def test_a_probe_books_one_message_however_large_its_batch(stage: Stage) -> None:
    """Nothing else will be sent."""
    await stage.run("update project set circuit_reason = 'x', rate = 1")
    turn = await take(stage)
    assert isinstance(turn, Turn)
    assert await stage.value("select tat from project") - turn.now == pytest.approx(1 / BOOKED, abs=0.01)


async def test_a_probe_that_fails_waits_twice_as_long_for_the_next(stage: Stage) -> None:
    """Others' failures from before the circuit opened do not count."""
    for probe in (False, False, True, True):
        async with stage.database.write() as tx:
            await projects.open_circuit(tx, "default", "503", probe=probe, times=stage.times)
    left = await stage.value("select circuit_probe_at - extract(epoch from clock_timestamp())::float8 from project")
    assert left == pytest.approx(4 * stage.times.probe, abs=1)
    assert await stage.value("select circuit_failures from project") == 2


async def test_the_quota_may_be_changed_at_any_time(stage: Stage) -> None:
    """The next turn is at the new rate; what is booked stays booked."""
    await stage.run("update project set rate = 800")
    first = await take(stage)
    await stage.run("update project set rate = 100")
    second = await take(stage)
    assert isinstance(first, Turn)
    assert isinstance(second, Turn)
    assert (first.rate, second.rate) == (800 * BOOKED, 100 * BOOKED)
    booked = first.now + first.wait + 500 / first.rate
    assert second.now + second.wait == pytest.approx(max(booked, second.now), abs=1e-3)


@pytest.mark.parametrize(("before", "after"), [(0.05, 50.0), (50.0, 0.05)])
async def test_a_campaigns_rate_may_be_changed_while_it_runs(stage: Stage, before: float, after: float) -> None:
    """Also far below one batch a lease: what was booked at the old rate stays, the next claim is at the new one."""
    first, second = await stage.planned(20, size=10, rate=before)
    claim = stage.granted(await stage.claim(first))
    assert claim.pace == before
    await stage.run("update campaign set rate = cast(:rate as float8)", rate=after)
    denied = await stage.claim(second)
    if isinstance(denied, NotYet):
        assert denied.wait <= claim.limit / before
        await stage.run("update campaign_pace set tat = 0")
        denied = await stage.claim(second)
    again = stage.granted(denied)
    assert again.pace == after
    assert 1 <= again.limit <= 10
    assert again.limit / after <= stage.times.lease - stage.times.margin or again.limit == 1


async def test_a_batch_given_back_comes_again_at_the_deadline_at_the_latest(stage: Stage) -> None:
    """FCM may ask for an hour; what expires in a minute must be called expired in a minute."""
    (batch,) = await stage.planned(2, ttl=60)
    async with stage.database.write() as tx:
        await claiming.give_back(tx, batch, wait=3600)
    left = await stage.value("select extract(epoch from due_at - now())::float8 from campaign_batch")
    assert 50 < left <= 60
