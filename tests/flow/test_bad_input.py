"""Input that leads nowhere: told and put aside, while everything else flows on."""

import asyncio
import json

import aio_pika
import pytest

from shared.topology import BATCHES, COMMANDS, DEAD_LETTERS, RESULTS, RETRY
from tests.flow.malformed import contradictions, malformed
from tests.flow.system import System
from tests.support.eventually import eventually

pytestmark = pytest.mark.timeout(120)


async def test_an_audience_of_none_is_complete_at_once(system: System) -> None:
    """Balanced at zero, whether nobody was named or nobody is known by that name."""
    for users in ([], ["nobody"]):
        created = await system.api.post(
            "/v1/campaigns", json={"title": "t", "body": "b", "audience": {"kind": "users", "user_ids": users}}
        )
        campaign_id = created.json()["id"]
        assert (await system.act(campaign_id, "send")).status_code == 202
        stats = await system.ended(campaign_id, within=5)
        assert (stats["status"], stats["balanced"], stats["progress"]) == ("completed", True, 100.0)
        assert (stats["total_recipients"], sum(stats["outcomes"].values())) == (0, 0)
        assert await system.requests(campaign_id) == 0


async def test_a_second_send_sends_nothing(system: System) -> None:
    """Neither at the same moment, nor while it flows, nor after its end."""
    campaign_id = await system.create(await system.audience(500))
    answers = await asyncio.gather(*(system.act(campaign_id, "send") for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409, 409]
    await system.ended(campaign_id)
    late = await system.act(campaign_id, "send")
    assert (late.status_code, late.json()["state"]) == (409, "completed")
    assert (await system.settled(campaign_id)).duplicates == 0
    assert await system.requests(campaign_id) == 500


async def test_what_cannot_be_handled_goes_to_the_dead_letters_and_the_others_flow_on(system: System) -> None:
    """From every queue, with the queue and the reason, whatever is behind it in the same window."""
    small = await system.audience(2)
    known = await system.send(small)
    await system.settled(known)
    wrong = malformed() + contradictions(known)
    async with await aio_pika.connect(system.stack.amqp_url) as connection, connection.channel() as channel:
        exchanges = {name: await channel.get_exchange(name) for name in (COMMANDS, BATCHES, RETRY, RESULTS)}
        for exchange, key, kind, body, _ in wrong:
            await exchanges[exchange].publish(aio_pika.Message(body, type=kind), key)
        for lane in ("high", "normal", "low"):
            assert (await system.settled(await system.send(await system.audience(500), priority=lane))).duplicates == 0
        found = await _buried(channel, len(wrong))
    assert sorted(found) == sorted((queue, body) for *_, body, queue in wrong)
    assert (await system.settled(known)).letters == {"A": 2}, "nothing of it was counted"


async def test_a_project_without_credentials_stops_nobody_else(system: System) -> None:
    """Its batches wait in the ledger; the lane's other campaigns flow, and it follows when the file is there."""
    await system.ledger.execute("insert into project (id, rate) values ('ghost', 1000) on conflict do nothing")
    ghosts = await system.audience(6000)
    await system.ledger.execute("update device set project_id = 'ghost' where user_id = $1", ghosts.user)
    stuck = await system.send(ghosts)
    file = system.stack.emulator.credentials_dir / "ghost.json"
    try:
        verdict = await system.settled(await system.send(await system.audience(3000)), within=20)
        assert verdict.duplicates == 0
        assert (await system.stats(stuck))["success_count"] == 0
        account = json.loads((file.parent / "default.json").read_text())
        file.write_text(json.dumps({**account, "project_id": "ghost"}))
        assert (await system.settled(stuck, within=60)).letters == {"A": 6000}
    finally:
        file.unlink(missing_ok=True)


async def _buried(channel: aio_pika.abc.AbstractChannel, count: int) -> list[tuple[str, bytes]]:
    """Take so many dead letters, and find no more; each tells its queue and a reason."""
    queue = await channel.get_queue(DEAD_LETTERS.name)
    found: list[tuple[str, bytes]] = []

    async def all_of_them() -> bool:
        while letter := await queue.get(fail=False, no_ack=True):
            assert str(letter.headers["carillon-reason"])
            found.append((str(letter.headers["carillon-queue"]), letter.body))
        return len(found) >= count

    await eventually(all_of_them, within=30)
    return found
