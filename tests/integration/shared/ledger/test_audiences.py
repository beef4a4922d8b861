"""Audiences against a registry: segments beside a reading of them in Python, lists, exclusions, freezing."""

import random
from typing import Any

import pytest
from sqlalchemy import text

from shared.ledger import audiences, campaigns, planning
from shared.ledger.audiences import SHORT_LIST, UnknownAudienceError, compile_audience, resolve
from tests.integration.shared.ledger.filters import NOW, insert, meets, random_device, random_filter
from tests.integration.shared.ledger.stage import Stage

PRO = {"attribute": "plan", "eq": "pro"}


async def devices_of(stage: Stage, campaign_id: int, *, batches: int = 3) -> list[int]:
    """Plan a campaign to its end; returns its devices in the order of batches."""
    while (await stage.campaign(campaign_id)).planned_at is None:
        assert await stage.step(campaign_id, batches=batches, size=2) is not None
    return [id_ for ids in await stage.ids_by_batch(campaign_id) for id_ in ids]


async def counted(stage: Stage, audience: dict[str, Any]) -> list[int]:
    """Find an audience's devices all at once, as an estimate does."""
    async with stage.database.read() as tx:
        condition = compile_audience(await resolve(tx, audience, NOW), steps=False)
        statement = f"select d.id from device d where d.active and {condition.sql or 'true'} order by d.id"  # noqa: S608
        return [row.id for row in await tx.all(text(statement), condition.values)]


async def new_list(stage: Stage, *user_ids: str, size: int | None = None) -> int:
    """Upload a list; `size` makes it say that it is longer."""
    async with stage.database.write() as tx:
        row = await tx.first(
            text(
                "insert into audience_list (name, state, size, created_by) values ('l', 'ready', :n, 't') returning id"
            ),
            {"n": len(user_ids) if size is None else size},
        )
        assert row is not None
        await tx.run(
            text("insert into audience_list_member select :id, unnest(cast(:users as text[]))"),
            {"id": row.id, "users": list(user_ids)},
        )
        return int(row.id)


async def new_segment(stage: Stage, definition: str) -> int:
    """Save a segment."""
    async with stage.database.write() as tx:
        row = await tx.first(
            text(
                "insert into segment (name, filter, created_by) "
                "values (:name, cast(:filter as jsonb), 't') returning id"
            ),
            {"name": definition, "filter": definition},
        )
    assert row is not None
    return int(row.id)


async def test_a_segment_has_just_the_devices_that_meet_its_filter(stage: Stage) -> None:
    """Three hundred random filters over random devices, of which much is not known."""
    rng = random.Random(22)
    devices = [random_device(rng) for _ in range(120)]
    async with stage.database.write() as tx:
        ids = [await insert(tx, number, device) for number, device in enumerate(devices)]
    sizes = set()
    for _ in range(300):
        wanted = random_filter(rng)
        expected = [id_ for id_, device in zip(ids, devices, strict=True) if meets(device, wanted)]
        assert await counted(stage, {"kind": "segment", "filter": wanted}) == expected, wanted
        sizes.add(len(expected))
    assert len(sizes) > 30


async def test_a_walk_in_steps_finds_what_a_look_at_everything_finds(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few a step may look at: gaps between the wanted are no end."""
    monkeypatch.setattr(planning, "REACH", 7)
    rng = random.Random(3)
    async with stage.database.write() as tx:
        for number in range(100):
            await insert(tx, number, random_device(rng))
    users = [f"user-{number}" for number in range(0, 100, 9)]
    long_list = await new_list(stage, *users, size=SHORT_LIST + 1)
    pro = {"kind": "segment", "filter": PRO}
    for audience in (
        pro,
        {"kind": "segment", "filter": {"attribute": "plan", "eq": "nobody has this"}},
        {"kind": "list", "list_id": long_list},
        {"kind": "all", "exclude": {"list_ids": [long_list], "user_ids": ["user-1", "user-2"]}},
        {**pro, "exclude": {"user_ids": users}},
    ):
        campaign_id = await stage.sending(audience=audience)
        planned = await devices_of(stage, campaign_id, batches=2)
        assert planned == sorted(set(planned))
        assert planned == await counted(stage, audience), audience
        assert (await stage.campaign(campaign_id)).total == len(planned)


async def test_a_step_looks_at_a_bounded_range_and_tells_that_there_is_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page without a batch is not the end."""
    monkeypatch.setattr(planning, "REACH", 4)
    await stage.devices(10)
    await stage.run('update device set attributes = \'{"plan": "pro"}\' where id = (select max(id) from device)')
    campaign_id = await stage.sending(audience={"kind": "segment", "filter": PRO})
    pages = [await stage.step(campaign_id) for _ in range(3)]
    assert [(len(page.batches), page.done) for page in pages if page] == [(0, False), (0, False), (1, True)]


async def test_a_short_list_and_a_long_one_mean_the_same(stage: Stage) -> None:
    """They are only found in another way; an unknown user is no trouble."""
    devices = await stage.devices(6)
    for size in (3, SHORT_LIST + 1):
        list_id = await new_list(stage, "user-2", "user-5", "nobody", size=size)
        campaign_id = await stage.sending(audience={"kind": "list", "list_id": list_id})
        assert await devices_of(stage, campaign_id) == [devices[1], devices[4]]


async def test_whoever_is_excluded_is_in_no_batch_and_no_count(stage: Stage) -> None:
    """By id, by list and by segment; excluding what is not there changes nothing."""
    devices = await stage.devices(6)
    await stage.run('update device set attributes = \'{"plan": "pro"}\' where id = :id', id=devices[5])
    list_id = await new_list(stage, "user-3", "nobody")
    segment_id = await new_segment(stage, '{"attribute": "plan", "eq": "pro"}')
    exclude = {"user_ids": ["user-1", "ghost"], "list_ids": [list_id], "segment_ids": [segment_id]}
    campaign_id = await stage.sending(audience={"kind": "all", "exclude": exclude})
    assert await devices_of(stage, campaign_id) == [devices[1], devices[3], devices[4]]
    users = {"kind": "users", "user_ids": ["user-1", "user-2"], "exclude": {"user_ids": ["user-2"]}}
    assert await devices_of(stage, await stage.sending(audience=users)) == devices[:1]


async def test_a_send_copies_segments_and_seals_lists(stage: Stage) -> None:
    """What operators change afterwards is for the next campaign."""
    devices = await stage.devices(3)
    await stage.run('update device set attributes = \'{"plan": "pro"}\' where id = :id', id=devices[0])
    segment_id = await new_segment(stage, '{"all": [{"attribute": "plan", "eq": "pro"}]}')
    list_id = await new_list(stage, "user-3")
    audience = {"kind": "segment", "segment_id": segment_id, "exclude": {"list_ids": [list_id]}}
    campaign_id = await stage.sending(audience=audience)

    await stage.run("delete from segment")
    kept = (await stage.campaign(campaign_id)).audience

    assert {name: kept[name] for name in audience} == audience
    assert kept["frozen"]["filter"] == {"all": [PRO]}
    assert await stage.value("select sealed_at is not null from audience_list where id = :id", id=list_id)
    assert await devices_of(stage, campaign_id) == devices[:1]


async def test_days_are_counted_back_from_the_send_not_from_the_step(stage: Stage) -> None:
    """A campaign that is planned for a week means the same devices at its end."""
    await stage.devices(2)
    await stage.run("update device set last_seen = now() - interval '1 day' + interval '1 hour'")
    filter_ = {"field": "last_seen", "within_days": 1}
    campaign_id = await stage.sending(audience={"kind": "segment", "filter": filter_})
    frozen = (await stage.campaign(campaign_id)).audience["frozen"]["filter"]
    assert frozen.keys() == {"field", "after"}


@pytest.mark.parametrize(
    ("audience", "missing"),
    [
        ({"kind": "list", "list_id": 7}, ([7], [])),
        ({"kind": "segment", "segment_id": 8}, ([], [8])),
        ({"kind": "all", "exclude": {"list_ids": [7], "segment_ids": [8]}}, ([7], [8])),
    ],
)
async def test_what_does_not_exist_is_no_audience(
    stage: Stage, audience: dict[str, Any], missing: tuple[list[int], list[int]]
) -> None:
    """Told by number, when it is stored and when it is resolved; a list that is being uploaded is not complete."""
    await stage.run("insert into audience_list (name, state, created_by) values ('l', 'loading', 't')")
    async with stage.database.write() as tx:
        for look in (audiences.hold(tx, audience), resolve(tx, audience, NOW)):
            with pytest.raises(UnknownAudienceError) as caught:
                await look
            assert (caught.value.lists, caught.value.segments) == missing


async def test_what_was_never_planned_is_counted_by_the_frozen_audience(stage: Stage) -> None:
    """A cancel of a segment counts those of the segment."""
    devices = await stage.devices(9)
    await stage.run('update device set attributes = \'{"plan": "pro"}\' where id <= :id', id=devices[6])
    campaign_id = await stage.sending(audience={"kind": "segment", "filter": PRO, "exclude": {"user_ids": ["user-7"]}})
    await stage.step(campaign_id, batches=1, size=2)
    await stage.cancel(campaign_id)
    await stage.close(campaign_id)
    assert (await stage.campaign(campaign_id)).not_planned == 4


async def test_whoever_is_suppressed_by_the_claim_has_no_target(stage: Stage) -> None:
    """A user on any device, and a device by its target; planned or not, they stay in the audience."""
    (batch,) = await stage.planned(4, size=4)
    await stage.run("insert into suppressed_user (user_id, reason, created_by) values ('user-2', 'r', 't')")
    await stage.run(
        "insert into suppressed_device (target_hash, reason, created_by) "
        "select target_hash, 'r', 't' from device where user_id = 'user-3'"
    )
    claim = stage.granted(await stage.claim(batch))
    assert [target.position for target in claim.targets] == [0, 3]
    assert claim.size == 4


@pytest.mark.parametrize(
    ("audience", "reached"), [({"kind": "all"}, [0, 1]), ({"kind": "users", "user_ids": ["user-1", "user-2"]}, [1])]
)
async def test_a_campaign_for_users_does_not_reach_a_device_that_moved_on(
    stage: Stage, audience: dict[str, Any], reached: list[int]
) -> None:
    """What was meant for one is not shown to the other; what is for everybody is."""
    (batch,) = await stage.planned(2, size=2, audience=audience)
    await stage.run("update device set user_id = 'heir', moved_at = now() where user_id = 'user-1'")
    claim = stage.granted(await stage.claim(batch))
    assert [target.position for target in claim.targets] == reached


async def test_a_device_that_moved_before_the_send_is_its_new_users(stage: Stage) -> None:
    """Only what moved since counts."""
    await stage.devices(2)
    await stage.run("update device set user_id = 'heir', moved_at = now() - interval '1 second'")
    campaign_id = await stage.sending(audience={"kind": "users", "user_ids": ["heir"]})
    page = await stage.step(campaign_id)
    assert page is not None
    assert len(stage.granted(await stage.claim(page.batches[0])).targets) == 2


async def test_a_scheduled_campaign_freezes_when_its_time_comes(stage: Stage) -> None:
    """Not when it was written."""
    devices = await stage.devices(2)
    segment_id = await new_segment(stage, '{"attribute": "plan", "eq": "nobody"}')
    campaign_id = await stage.draft(audience={"kind": "segment", "segment_id": segment_id})
    await stage.run("""update segment set filter = '{"field": "platform", "in": ["android"]}'""")
    async with stage.database.write() as tx:
        assert await campaigns.send(tx, campaign_id) is not None
    assert await devices_of(stage, campaign_id) == devices
