"""Cutting an audience into batches, publishing and stamping them."""

import asyncio

import pytest

from shared.ledger import planning
from shared.ledger.planning import NEAR
from tests.integration.shared.ledger.stage import Stage


async def test_an_audience_is_cut_into_batches_that_hold_each_device_once(stage: Stage) -> None:
    """Five devices by two: the last batch is short, and the step says that it was the end."""
    devices = await stage.devices(5)
    campaign_id = await stage.sending()

    page = await stage.step(campaign_id, batches=10, size=2)

    assert page is not None
    assert page.done
    assert [batch.size for batch in page.batches] == [2, 2, 1]
    assert [id_ for batch in await stage.ids_by_batch(campaign_id) for id_ in batch] == devices
    campaign = await stage.campaign(campaign_id)
    assert (campaign.total, campaign.pending) == (5, 5)
    assert campaign.planned_at is not None


async def test_an_audience_is_cut_over_steps_without_gap_or_overlap(stage: Stage) -> None:
    """A page that was full leaves the end to the next step, even when nothing is left for it."""
    devices = await stage.devices(4)
    campaign_id = await stage.sending()

    pages = [await stage.step(campaign_id, batches=1, size=2) for _ in range(3)]

    assert [(len(page.batches), page.done) for page in pages if page] == [(1, False), (1, False), (0, True)]
    assert await stage.ids_by_batch(campaign_id) == [devices[:2], devices[2:]]
    assert [page.batches[0].batch_no for page in pages if page and page.batches] == [0, 1]


async def test_a_step_without_room_moves_nothing_but_its_seq(stage: Stage) -> None:
    """A full window costs a step, not the audience's end."""
    await stage.devices(2)
    campaign_id = await stage.sending()

    page = await stage.step(campaign_id, batches=0)

    assert page == planning.Page([], done=False)
    assert (await stage.campaign(campaign_id)).planned_at is None
    following = await stage.step(campaign_id, 1)
    assert following is not None
    assert following.done


@pytest.mark.parametrize("seq", [-1, 1, 7])
async def test_a_step_of_another_seq_does_nothing(stage: Stage, seq: int) -> None:
    """Repeated, forked and invented commands find no row."""
    await stage.devices(2)
    campaign_id = await stage.sending()
    assert await stage.step(campaign_id, seq) is None
    assert (await stage.campaign(campaign_id)).total == 0


async def test_two_planners_with_the_same_step_cut_it_once(stage: Stage) -> None:
    """The second one does not wait for the first: it finds the row locked and leaves."""
    await stage.devices(4)
    campaign_id = await stage.sending()
    async with stage.database.write() as first:
        step = await planning.lock_step(first, campaign_id, 0)
        assert step is not None
        assert await asyncio.wait_for(stage.step(campaign_id, 0), 2) is None
        await planning.cut(first, step, batches=1, size=2, times=stage.times)
    assert await stage.step(campaign_id, 0) is None
    assert (await stage.campaign(campaign_id)).total == 2


async def test_many_planners_share_a_campaign_without_miscounting(stage: Stage) -> None:
    """Whoever gets a step does it; nobody does it twice."""
    devices = await stage.devices(12)
    campaign_id = await stage.sending()

    async def plan() -> None:
        for seq in range(8):
            await stage.step(campaign_id, seq, batches=1, size=2)

    await asyncio.gather(plan(), plan(), plan())
    while (await stage.campaign(campaign_id)).planned_at is None:
        await stage.step(campaign_id, batches=1, size=2)

    assert [id_ for batch in await stage.ids_by_batch(campaign_id) for id_ in batch] == devices
    assert (await stage.campaign(campaign_id)).total == 12


async def test_devices_registered_after_the_send_are_not_in_the_audience(stage: Stage) -> None:
    """The upper bound is frozen at the start."""
    await stage.devices(2)
    campaign_id = await stage.sending()
    await stage.devices(3)
    await stage.step(campaign_id)
    assert (await stage.campaign(campaign_id)).total == 2


async def test_inactive_devices_are_not_in_the_audience(stage: Stage) -> None:
    """A dead token is not planned."""
    devices = await stage.devices(3)
    await stage.run("update device set active = false where id = :id", id=devices[1])
    campaign_id = await stage.sending()
    await stage.step(campaign_id)
    assert await stage.ids_by_batch(campaign_id) == [[devices[0], devices[2]]]


async def test_an_audience_of_users_has_every_device_of_theirs_and_no_other(stage: Stage) -> None:
    """A user with two devices gets two pushes; an unknown user none."""
    first = await stage.devices(3)
    second = await stage.devices(1)
    campaign_id = await stage.sending(audience={"kind": "users", "user_ids": ["user-1", "user-3", "nobody"]})
    await stage.step(campaign_id)
    assert await stage.ids_by_batch(campaign_id) == [[first[0], first[2]], second]


@pytest.mark.parametrize(("distance", "kept"), [(NEAR - 1, "near"), (NEAR, "far"), (2**40, "far")])
async def test_what_a_batch_keeps_of_its_devices_depends_on_how_far_it_reaches(
    stage: Stage, distance: int, kept: str
) -> None:
    """Two bytes a device or eight; whoever reads them sees no difference."""
    first = await stage.devices(1)
    await stage.run("select setval(pg_get_serial_sequence('device', 'id'), :id)", id=first[0] + distance - 1)
    last = await stage.devices(1)
    campaign_id = await stage.sending()
    await stage.step(campaign_id)
    assert await stage.ids_by_batch(campaign_id) == [first + last]
    (row,) = await stage.all("select near, far from campaign_batch_member")
    assert row._asdict() == {"near": None, "far": None, kept: [0, distance]}


async def test_a_batch_holds_devices_of_one_project_only(stage: Stage) -> None:
    """Each project has its own quota and credentials."""
    await stage.run("insert into project (id) values ('other')")
    mine, theirs = await stage.devices(1), await stage.devices(2, project="other")
    mine += await stage.devices(2)
    campaign_id = await stage.sending()

    page = await stage.step(campaign_id, size=2)

    assert page is not None
    by_project: dict[str, list[int]] = {"default": [], "other": []}
    for batch, ids in zip(page.batches, await stage.ids_by_batch(campaign_id), strict=True):
        assert len(ids) == batch.size <= 2
        by_project[batch.project] += ids
    assert by_project == {"default": mine, "other": theirs}


async def test_a_page_that_ends_between_projects_loses_nobody(stage: Stage) -> None:
    """The cursor is the page's last id, whichever project it belongs to."""
    await stage.run("insert into project (id) values ('other')")
    devices = []
    for _ in range(5):
        devices += await stage.devices(1) + await stage.devices(1, project="other")
    campaign_id = await stage.sending()
    while (await stage.campaign(campaign_id)).planned_at is None:
        await stage.step(campaign_id, batches=1, size=3)
    assert sorted(id_ for batch in await stage.ids_by_batch(campaign_id) for id_ in batch) == devices


async def test_a_fresh_batch_is_not_taken_again_while_its_planner_publishes(stage: Stage) -> None:
    """The grace is for the planner that cut it; after it anybody may publish."""
    batches = await stage.planned(4)
    campaign_id = batches[0].campaign_id
    assert await stage.take_planned(campaign_id) == []
    await stage.age(campaign_id)
    taken = await stage.take_planned(campaign_id)
    assert sorted(batch.batch_no for batch in taken) == [0, 1]
    assert await stage.take_planned(campaign_id) == []


async def test_taking_respects_its_limit(stage: Stage) -> None:
    """Room in the window is room, whatever waits."""
    batches = await stage.planned(6)
    await stage.age(batches[0].campaign_id)
    assert [b.batch_no for b in await stage.take_planned(batches[0].campaign_id, limit=1)] == [0]


async def test_a_stamp_makes_a_planned_batch_queued(stage: Stage) -> None:
    """Its next look is two minutes away."""
    (batch,) = await stage.planned(2)
    await stage.stamp(batch)
    row = await stage.batch(batch.campaign_id)
    assert row.state == "queued"
    assert 110 < (row.due_at - await stage.now()).total_seconds() <= 120


async def test_a_stamp_after_the_claim_changes_nothing(stage: Stage) -> None:
    """A sender may be quicker than the planner's stamp."""
    (batch,) = await stage.planned(2)
    stage.granted(await stage.claim(batch))
    await stage.stamp(batch)
    assert (await stage.batch(batch.campaign_id)).state == "claimed"


async def test_a_stamp_of_an_epoch_that_is_over_changes_nothing(stage: Stage) -> None:
    """A planner that stalled must not hide a batch that is planned again."""
    (batch,) = await stage.planned(2)
    stage.granted(await stage.claim(batch))
    await stage.age(batch.campaign_id)
    await stage.sweep()
    await stage.stamp(batch)
    row = await stage.batch(batch.campaign_id)
    assert (row.state, row.epoch) == ("planned", 1)


async def test_the_window_counts_what_is_open_and_what_is_held(stage: Stage) -> None:
    """Queued, claimed and reported brake planning; planned and waiting only count towards the cap."""
    batches = await stage.planned(10)
    await stage.stamp(*batches[:1])
    stage.granted(await stage.claim(batches[1]))
    waiting = stage.granted(await stage.claim(batches[2]))
    await stage.release(waiting, "..")
    reported = stage.granted(await stage.claim(batches[3]))
    await stage.release(reported, "AA")
    async with stage.database.read() as tx:
        window = await planning.look_at_window(tx, batches[0].campaign_id)
    assert (window.open, window.held, window.flow) == (3, 2, 10_000)


async def test_the_flow_is_shared_by_what_sends_and_stops_with_a_paused_project(stage: Stage) -> None:
    """Two campaigns expect half each; nothing is expected of a project that is paused."""
    (batch,) = await stage.planned(2)
    await stage.sending()
    async with stage.database.read() as tx:
        assert (await planning.look_at_window(tx, batch.campaign_id)).flow == 5_000
    await stage.run("update project set paused_until = extract(epoch from now()) + 60")
    async with stage.database.read() as tx:
        assert (await planning.look_at_window(tx, batch.campaign_id)).flow == 0
