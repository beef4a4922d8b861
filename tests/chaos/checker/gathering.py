"""Reads all the books of a stage that has come to rest."""

import asyncio
import json
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from deploy.local.audit import COUNTERS, Seen, read_ledger
from shared.topology import DEAD_LETTERS, QUEUES
from tests.chaos.checker.state import CampaignBooks, DeadLetter, Disturbance, State
from tests.chaos.stage import Stage
from tests.chaos.witnesses import Witnesses

SETTLES_WITHIN = 90.0
"""Seconds for what follows the last campaign's end: stale references run through the rungs, the outbox empties, a queue
that the last fault left without a leader is given up and put back."""

CAMPAIGNS = """
    select c.id, c.status, c.delivery, c.rate, c.campaign_seq,
           coalesce(sum(b.size * (b.lost + case when b.lost = 0 then greatest(b.attempt, 1) else b.attempt end))
                    filter (where b.doubt), 0)::bigint as repeats
      from campaign c left join campaign_batch b on b.campaign_id = c.id
     where c.status <> 'draft' group by c.id order by c.id
"""
EVENTS = "select campaign_seq, name from campaign_event where campaign_id = $1 order by campaign_seq"
DEAD_REQUIRED = "UNREGISTERED"
LABEL = "carillon-"
LEADERLESS_DELETED = "queue.leaderless_deleted"


async def gather(stage: Stage, witnesses: Witnesses, began: float, disturbances: Sequence[Disturbance] = ()) -> State:
    """Everything, as it is now; `began`: when it all did, in seconds since the epoch."""
    queues = await _settled_queues(stage)
    seen = await _record(stage)
    campaigns = []
    async with stage.ledger() as connection:
        for row in await connection.fetch(CAMPAIGNS):
            counters = await connection.fetchrow(COUNTERS, row["id"])
            events = await connection.fetch(EVENTS, row["id"])
            campaigns.append(
                CampaignBooks(
                    id=row["id"],
                    status=row["status"],
                    delivery=row["delivery"],
                    counters=dict(counters),
                    entries=[entry async for entry in read_ledger(connection, row["id"])],
                    seen=seen.get(row["id"], {}),
                    repeats_allowed=row["repeats"] if row["delivery"] == "at_least_once" else 0,
                    rate=row["rate"],
                    arrivals=[
                        (tenth, requests) for tenth, requests, _ in await stage.fcm.rate(label=f"{LABEL}{row['id']}")
                    ],
                    last_seq=row["campaign_seq"],
                    events=[(event["campaign_seq"], event["name"]) for event in events],
                )
            )
        inactive = frozenset(
            row["target"] for row in await connection.fetch("select target from device where not active")
        )
        quota = float(await connection.fetchval("select max(rate) from project"))
        outbox = int(await connection.fetchval("select count(*) from outbox"))
    heard = {
        campaign: {number: frozenset(texts) for number, texts in told.items()}
        for campaign, told in (await witnesses.heard()).items()
    }
    return State(
        campaigns=campaigns,
        inactive=inactive,
        heard=heard,
        quota=quota,
        began=began,
        stalls=witnesses.stalls,
        commits=witnesses.commits,
        queues=queues,
        outbox=outbox,
        dead_letters=await _dead_letters(stage),
        injected=stage.injected,
        offered=stage.offered,
        emptied=[*stage.emptied, *_given_up(stage)],
        memory=witnesses.memory,
        lost=await witnesses.lost(),
        disturbances=disturbances,
    )


def _given_up(stage: Stage) -> list[tuple[float, str]]:
    """When which queue had lost its leader and was deleted by a service, with what it held."""
    lines = [
        json.loads(line)
        for name in stage.stack.services
        for line in stage.process(name).log.read_text(errors="replace").splitlines()
        if f'"{LEADERLESS_DELETED}"' in line
    ]
    return [(datetime.fromisoformat(line["timestamp"]).timestamp(), line["queue"]) for line in lines]


async def _settled_queues(stage: Stage) -> dict[str, tuple[int, int] | None]:
    """Ready and unacked by queue, as soon as all are empty; the management's figures are some seconds old."""
    deadline = time.monotonic() + SETTLES_WITHIN
    while True:
        found = {queue.name: await asyncio.to_thread(_depth, stage, queue.name) for queue in QUEUES}
        outbox = (await stage.rows("select count(*) as n from outbox"))[0]["n"]
        busy = any(depth is None or any(depth) for name, depth in found.items() if name != DEAD_LETTERS.name)
        if (not busy and not outbox) or time.monotonic() > deadline:
            return found
        await asyncio.sleep(1)


def _depth(stage: Stage, queue: str) -> tuple[int, int] | None:
    broker = stage.stack.broker
    try:
        told: dict[str, Any] = broker.manage("GET", f"/queues/{broker.vhost}/{queue}")
    except OSError:
        return None
    return int(told.get("messages_ready", 0)), int(told.get("messages_unacknowledged", 0))


async def _record(stage: Stage) -> dict[int, dict[str, Seen]]:
    """The emulator's record by campaign and target."""
    seen: dict[int, dict[str, Seen]] = {}
    async for group in stage.fcm.record():
        if not group.label.startswith(LABEL):
            continue
        word = Seen(group.accepted, DEAD_REQUIRED in group.answers)
        targets = seen.setdefault(int(group.label.removeprefix(LABEL)), {})
        for token in group.tokens:
            targets[token] = word
    return seen


async def _dead_letters(stage: Stage) -> list[DeadLetter]:
    """Take them out of the queue."""
    found = []
    async with stage.channel() as channel:
        queue = await channel.get_queue(DEAD_LETTERS.name)
        while (message := await queue.get(no_ack=True, fail=False)) is not None:
            headers = message.headers
            found.append(
                DeadLetter(
                    str(headers.get("carillon-queue", headers.get("x-first-death-queue", "?"))),
                    str(headers.get("carillon-reason", headers.get("x-first-death-reason", "?"))),
                    message.body,
                )
            )
    return found
