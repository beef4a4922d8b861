"""Messages that come twice, late or broken."""

import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from random import Random

import aio_pika
from aiormq.abc import DeliveredMessage

from shared.contracts.messages import BatchReady, BatchResult, PlanCampaign
from shared.ledger.releasing import from_report
from shared.topology import BATCHES, COMMANDS, RESULTS
from tests.chaos.faults import Act, Aimed, Fault
from tests.chaos.stage import Stage
from tests.flow.malformed import malformed

MOST = 60
BATCHES_NOW = """
    select b.campaign_id, b.batch_no, b.epoch, b.size, b.lane, b.project_id, b.outcomes, b.reported,
           b.report
      from campaign_batch b join campaign c on c.id = b.campaign_id
     where c.status = 'sending' order by md5(b.campaign_id || '-' || b.batch_no || $2) limit $1
"""
STEPS_NOW = """
    select p.campaign_id, p.seq from campaign_plan p join campaign c on c.id = p.campaign_id
     where c.status = 'sending' limit $1
"""


def duplicated(salt: int) -> Act:
    """Publish again what was said already: references of this epoch and older ones, commands, merged results."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncGenerator[str]:
        batches = await stage.rows(BATCHES_NOW, MOST, str(salt))
        steps = await stage.rows(STEPS_NOW, MOST)
        said = 0
        async with stage.channel() as channel:
            exchanges = {name: await channel.get_exchange(name) for name in (BATCHES, COMMANDS, RESULTS)}

            async def say(exchange: str, key: str, kind: str, body: dict[str, object]) -> None:
                nonlocal said
                message = aio_pika.Message(json.dumps(body).encode(), type=kind)
                await exchanges[exchange].publish(message, key)
                said += 1

            for row in batches:
                reference = {"campaign_id": row["campaign_id"], "batch_no": row["batch_no"]}
                more = {"size": row["size"], "lane": row["lane"], "project": row["project_id"]}
                for epoch in {row["epoch"], max(0, row["epoch"] - 1)}:
                    await say(BATCHES, f"new.{row['lane']}", BatchReady.type, {**reference, **more, "epoch": epoch})
                if row["reported"].strip("."):
                    codes, dead = from_report(json.loads(row["report"] or "{}"))
                    known = {"epoch": row["epoch"], "outcomes": row["reported"], "codes": codes, "dead": dead}
                    await say(RESULTS, f"result.{row['lane']}", BatchResult.type, {**reference, **known})
            for row in steps:
                for seq in {row["seq"], max(0, row["seq"] - 1)}:
                    step = {"campaign_id": row["campaign_id"], "seq": seq}
                    await say(COMMANDS, "campaign.plan", PlanCampaign.type, step)
        yield f"{said} messages"

    return act


@asynccontextmanager
async def broken(stage: Stage) -> AsyncGenerator[str]:
    """Publish messages that no service can handle, to each queue; messages that no queue takes are returned."""
    taken = 0
    async with stage.channel() as channel:
        for exchange, key, kind, body, queue in malformed():
            target = await channel.get_exchange(exchange)
            put = (time.time(), queue, body)
            stage.offered.add((queue, body))  # it may arrive, though its confirm is lost
            answer = await target.publish(aio_pika.Message(body, type=kind), key)
            if not isinstance(answer, DeliveredMessage):
                stage.injected.append(put)
                taken += 1
    yield f"{taken} messages"


def _duplicated(rng: Random) -> Aimed:
    return Aimed("all queues", frozenset({"rabbitmq"}), 0.0, duplicated(rng.randrange(1_000_000)))


FAULTS = (
    Fault("messages duplicated", _duplicated),
    Fault("messages malformed", lambda _rng: Aimed("all queues", frozenset({"rabbitmq"}), 0.0, broken)),
)
