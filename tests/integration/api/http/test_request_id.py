"""`X-Request-ID` on its way from HTTP into messages."""

import aio_pika
import httpx

from shared.topology import PLANNER_COMMANDS
from tests.support.eventually import eventually

CAMPAIGN = {"title": "t", "body": "b", "audience": {"kind": "all"}}


async def test_a_command_carries_the_request_that_caused_it(client: httpx.AsyncClient, amqp_url: str) -> None:
    """Through the outbox into a header, so that a planner's logs name it too."""
    campaign_id = (await client.post("/v1/campaigns", json=CAMPAIGN)).json()["id"]
    sent = await client.post(f"/v1/campaigns/{campaign_id}/send", headers={"X-Request-ID": "shop-7"})
    assert (sent.status_code, sent.headers["X-Request-ID"]) == (202, "shop-7")
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        queue = await channel.get_queue(PLANNER_COMMANDS.name)
        message = await eventually(lambda: queue.get(fail=False), within=30)
    assert message is not None
    assert message.headers["carillon-request-id"] == "shop-7"
