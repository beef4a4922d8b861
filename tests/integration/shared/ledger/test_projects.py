"""What holds for every sender of a project at once."""

from shared.ledger import projects
from shared.ledger.claiming import NotYet
from tests.integration.shared.ledger.stage import Stage


async def test_a_longer_pause_stays(stage: Stage) -> None:
    """Two senders may be told different waits."""
    for seconds in (60.0, 10.0):
        async with stage.database.write() as tx:
            await projects.on_quota_exceeded(tx, "default", wait=seconds, times=stage.times)
    left = await stage.value("select paused_until - extract(epoch from clock_timestamp())::float8 from project")
    assert 58 < left <= 60


async def test_many_429s_of_one_overload_cut_the_rate_once(stage: Stage) -> None:
    """Requests in flight when the first came are the same overload."""
    for _ in range(5):
        async with stage.database.write() as tx:
            await projects.on_quota_exceeded(tx, "default", wait=1, times=stage.times)
    assert await stage.value("select cut_rate from project") == 7_000


async def test_an_open_circuit_lets_one_probe_through_at_a_time(stage: Stage) -> None:
    """A single message; other claims get the time of the next probe."""
    first, second = await stage.planned(4)
    async with stage.database.write() as tx:
        assert await projects.open_circuit(tx, "default", "role missing", probe=False, times=stage.times)
    denied = await stage.claim(first)
    assert isinstance(denied, NotYet)
    assert 14 < denied.wait <= 15
    await stage.run("update project set circuit_probe_at = 0")
    probe = stage.granted(await stage.claim(first))
    assert (probe.probe, probe.limit) == (True, 1)
    assert isinstance(await stage.claim(second), NotYet)
    async with stage.database.write() as tx:
        assert await projects.close_circuit(tx, "default")
    assert not stage.granted(await stage.claim(second)).probe


async def test_a_stopped_platform_is_blocked_then_probed_then_released(stage: Stage) -> None:
    """Other platforms' devices of the same batch go out meanwhile."""
    first, second, third = await stage.planned(6)
    async with stage.database.write() as tx:
        assert await projects.stop_platform(tx, "default", "ios", "APNs key", times=stage.times)
        assert not await projects.stop_platform(tx, "default", "ios", "APNs key", times=stage.times)
    assert stage.granted(await stage.claim(first)).blocked == {"ios"}
    await stage.run("update project set stopped_platforms = jsonb_set(stopped_platforms, '{ios,probe_at}', '0')")
    claim = stage.granted(await stage.claim(second))
    assert not claim.blocked
    assert claim.probing == {"ios"}
    assert stage.granted(await stage.claim(third)).blocked == {"ios"}
    async with stage.database.write() as tx:
        assert await projects.release_platforms(tx, "default", frozenset({"ios"}))
        assert not await projects.release_platforms(tx, "default", frozenset({"ios"}))
