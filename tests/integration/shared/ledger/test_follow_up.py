"""Audiences made of what became of an earlier campaign's devices."""

from random import Random
from typing import Any

import pytest

from shared.ledger import follow_up
from tests.integration.shared.ledger.stage import Stage, result

LETTERS = "AUD?.RXCSA"


async def finished(stage: Stage, letters: str = LETTERS, **options: Any) -> tuple[int, list[int]]:
    """Have a campaign that ended with these letters, three devices a batch; its id and its devices'."""
    devices = await stage.devices(len(letters))
    campaign_id = await stage.sending(**options)
    page = await stage.step(campaign_id, batches=100, size=3)
    assert page is not None
    for number, batch in enumerate(page.batches):
        claim = stage.granted(await stage.claim(batch))
        part = letters[number * 3 : number * 3 + 3].replace(".", "A")
        await stage.release(claim, part)
        await stage.merge(result(claim, part))
    return campaign_id, devices


async def followed(stage: Stage, campaign_id: int, *outcomes: str, batches: int = 100) -> list[int]:
    """Plan a follow-up to its end; its devices."""
    campaign = await stage.sending(
        audience={"kind": "follow_up", "campaign_id": campaign_id, "outcomes": list(outcomes)}
    )
    while (page := await stage.step(campaign, batches=batches, size=2)) is not None and not page.done:
        pass
    return sorted(id_ for ids in await stage.ids_by_batch(campaign) for id_ in ids)


@pytest.mark.parametrize("batches", [1, 100])
async def test_a_follow_up_reaches_the_devices_with_the_outcomes_asked_for(stage: Stage, batches: int) -> None:
    """And no others, whether it is planned in one step or in many."""
    campaign_id, devices = await finished(stage)
    chosen = await followed(stage, campaign_id, "dead", "unknown", batches=batches)
    assert chosen == [devices[2], devices[3]]
    assert await followed(stage, campaign_id, "expired") == [devices[6]]
    assert await followed(stage, campaign_id, "accepted") == [devices[0], devices[4], devices[9]]


async def test_a_device_that_became_inactive_is_not_followed_up(stage: Stage) -> None:
    """Such as one whose token was dead."""
    campaign_id, devices = await finished(stage)
    await stage.run("update device set active = false where id = :id", id=devices[2])
    assert await followed(stage, campaign_id, "dead", "unknown") == [devices[3]]


async def test_a_follow_up_leaves_the_finished_ledger_as_it_is(stage: Stage) -> None:
    """It is read, never reopened."""
    campaign_id, _ = await finished(stage)
    before = await stage.counters(campaign_id)
    await followed(stage, campaign_id, "dead")
    assert await stage.counters(campaign_id) == before
    assert (await stage.campaign(campaign_id)).status == "completed"


async def test_a_device_that_has_another_user_now_is_not_followed_up_for_the_former(stage: Stage) -> None:
    """A campaign for users is for these users, whoever has their devices later."""
    audience = {"kind": "users", "user_ids": [f"user-{n}" for n in range(1, 11)]}
    campaign_id, devices = await finished(stage, audience=audience)
    await stage.run("update device set user_id = 'another', moved_at = now() where id = :id", id=devices[2])
    assert await followed(stage, campaign_id, "dead", "unknown") == [devices[3]]
    assert await stage.value("select personal from campaign order by id desc limit 1") is True


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_the_steps_every_device_is_followed_up_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Over projects whose batches overlap, inactive devices among them, and steps that see little."""
    monkeypatch.setattr(follow_up, "SCAN", 2)
    rng = Random(seed)
    await stage.run("insert into project (id) values ('other')")
    ids = []
    for _ in range(12):
        ids += await stage.devices(rng.randint(1, 4), project=rng.choice(["default", "other"]))
    campaign_id = await stage.sending()
    while (page := await stage.step(campaign_id, batches=rng.randint(1, 4), size=3)) is not None and not page.done:
        pass
    wanted = []
    for batch_no, batch in enumerate(await stage.ids_by_batch(campaign_id)):
        letters = "".join(rng.choice("AD?") for _ in batch)
        await stage.run(
            "update campaign_batch set outcomes = :letters where campaign_id = :id and batch_no = :n",
            letters=letters,
            id=campaign_id,
            n=batch_no,
        )
        wanted += [id_ for id_, letter in zip(batch, letters, strict=True) if letter in "D?"]
    gone = set(rng.sample(ids, 5))
    await stage.run("update device set active = false where id = any(cast(:ids as bigint[]))", ids=list(gone))
    assert await followed(stage, campaign_id, "dead", "unknown", batches=1) == sorted(set(wanted) - gone)
