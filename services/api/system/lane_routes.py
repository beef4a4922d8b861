"""`/v1/lanes`: how full each priority's lane is and who serves it."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from services.api.access.roles import Viewer
from services.api.http.problems import UNAUTHORIZED, documented
from services.api.resources import resources
from services.api.system.broker_view import BrokerView
from shared.amqp.depth import Depth
from shared.contracts.messages import LaneName
from shared.errors import LookRefusedError
from shared.topology import LANES, QUEUES

router = APIRouter(prefix="/v1/lanes", tags=["system"], responses=documented(UNAUTHORIZED))

# Open batches are bounded by the planner's window, and their partial index holds nothing else.
OPEN = text("""
    select b.lane, count(*) filter (where b.state = 'claimed') as claimed,
           coalesce(sum(b.size) filter (where b.state = 'claimed'), 0) as devices,
           count(*) filter (where b.state = 'waiting') as waiting
      from campaign c join campaign_batch b on b.campaign_id = c.id and b.state in ('claimed', 'waiting')
     where c.status in ('sending', 'paused', 'cancelling') group by b.lane
""")

EXAMPLE: dict[str, Any] = {
    "items": [
        {
            "lane": "high",
            "queue": "sender.high",
            "ready": 12,
            "consumers": 2,
            "in_flight": 4,
            "in_flight_devices": 2000,
            "waiting": 1,
        }
    ],
    "queues": [{"queue": "aggregator.results", "ready": 0, "consumers": 1}],
}


UNKNOWN = "null where this process's broker user may not look at the queue"


class Lane(BaseModel):
    """A priority's lane."""

    lane: LaneName
    queue: str
    ready: int | None = Field(description=f"Batches in the queue that no sender has taken; {UNKNOWN}")
    consumers: int | None = Field(description=f"Sender processes that take from it; none, and nothing moves; {UNKNOWN}")
    in_flight: int = Field(description="Batches that senders have claimed in the ledger")
    in_flight_devices: int = Field(description="Devices of those")
    waiting: int = Field(description="Batches that wait for a retry")


class OtherQueue(BaseModel):
    """A queue that is no lane."""

    queue: str
    ready: int | None = Field(description=f"Messages that nobody has taken; {UNKNOWN}")
    consumers: int | None = Field(description=f"Who takes from it; {UNKNOWN}")


class Lanes(BaseModel):
    """All lanes, and the queues around them."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    items: list[Lane] = Field(description="The highest first")
    queues: list[OtherQueue]


@router.get("")
async def list_lanes(request: Request, _: Viewer) -> Lanes:
    """Tell what waits in every lane, what is in flight, and how many senders serve it: now, not an average."""
    found = resources(request)
    async with found.database.read() as tx:
        rows = {row.lane: row for row in await tx.all(OPEN)}
    broker = found.of(BrokerView)
    depths = {spec.name: await _depth(broker, spec.name) for spec in QUEUES}
    lanes = []
    for lane in LANES:
        depth, row = depths.pop(lane.queue), rows.get(str(lane))
        lanes.append(
            Lane(
                lane=lane.value,
                queue=lane.queue,
                ready=depth.ready if depth else None,
                consumers=depth.consumers if depth else None,
                in_flight=row.claimed if row else 0,
                in_flight_devices=row.devices if row else 0,
                waiting=row.waiting if row else 0,
            )
        )
    queues = [
        OtherQueue(queue=name, ready=depth.ready if depth else None, consumers=depth.consumers if depth else None)
        for name, depth in depths.items()
    ]
    return Lanes(items=lanes, queues=queues)


async def _depth(broker: BrokerView, queue: str) -> Depth | None:
    """None where we may not look: the other figures are worth telling."""
    try:
        return await broker.depth(queue)
    except LookRefusedError:
        return None
