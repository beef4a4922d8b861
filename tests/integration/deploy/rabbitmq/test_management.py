"""RabbitMQ as operators see it, through its management API: depths, consumers, a message, a purge, and all is well."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.deploy.fleet import Fleet, fleet
from tests.integration.deploy.rabbitmq.conftest import Vhost
from tests.support.eventually import eventually

DEVICES = 3_000
WORKED = ("planner.commands", "sender.high", "sender.normal", "sender.low", "aggregator.results")
STATISTICS = 20.0
"""Seconds to wait for figures that the broker collects every 5 s."""

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
async def services(vhost: Vhost, database_url: str, empty_amqp_url: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    """The four services on the vhost."""
    async with fleet(tmp_path, {"CARILLON_DATABASE_URL": database_url, "CARILLON_AMQP_URL": empty_amqp_url}) as running:
        yield running


def queue(vhost: Vhost, name: str) -> dict[str, Any]:
    """A queue as the management UI shows it."""
    found = vhost.manage("GET", f"/queues/{{vhost}}/{name}")
    assert isinstance(found, dict)
    return found


def messages(vhost: Vhost, name: str, *, ackmode: str) -> list[dict[str, Any]]:
    """What the UI's "Get messages" shows."""
    body = {"count": 10, "ackmode": ackmode, "encoding": "auto"}
    found = vhost.post(f"/queues/{{vhost}}/{name}/get", body)
    assert isinstance(found, list)
    return found


def connection_names(vhost: Vhost) -> set[str]:
    """What the connections of the vhost call themselves."""
    found = vhost.manage("GET", "/vhosts/{vhost}/connections")
    assert isinstance(found, list)
    return {connection["client_properties"]["connection_name"] for connection in found}


async def test_an_operator_at_the_management_api_finds_and_leaves_the_system_well(
    vhost: Vhost, services: Fleet
) -> None:
    """Consumers by name, a queued batch that reads well, a purge that costs nothing but time."""

    def consumers() -> bool:
        return all(queue(vhost, name).get("consumers", 0) >= 1 for name in WORKED)

    await eventually(consumers, within=STATISTICS)
    names = {"api publish", "planner publish", "planner consume", "sender consume", "aggregator consume"}
    await eventually(lambda: names <= connection_names(vhost), within=STATISTICS)

    await services.register(DEVICES)
    first = await services.completed(await services.send())
    assert first["outcomes"]["accepted"] == DEVICES

    vhost.post("/exchanges/{vhost}/push.batches/publish", message("*nobody*", "new.low"))
    await eventually(lambda: queue(vhost, "dead").get("messages") == 1, within=STATISTICS)
    letter = messages(vhost, "dead", ackmode="ack_requeue_true")[0]
    assert letter["properties"]["headers"]["carillon-queue"] == "sender.low"
    assert "carillon-reason" in letter["properties"]["headers"]
    vhost.manage("DELETE", "/queues/{vhost}/dead/contents")
    await eventually(lambda: queue(vhost, "dead").get("messages") == 0, within=STATISTICS)

    # Purge a lane with a campaign in it: the ledger brings its batches back.
    campaign = await services.send(priority="low", rate=600)
    vhost.manage("DELETE", "/queues/{vhost}/sender.low/contents")
    again = await services.completed(campaign, within=60.0)
    assert again["outcomes"]["accepted"] == DEVICES
    await eventually(
        lambda: all(queue(vhost, name).get("messages") == 0 for name in (*WORKED, "dead")), within=STATISTICS
    )


async def test_a_batch_in_a_lane_reads_well_and_survives_being_looked_at(vhost: Vhost, empty_amqp_url: str) -> None:
    """JSON with the campaign, the batch and no token in it; "Get messages" puts it back."""
    body = {"campaign_id": 7, "batch_no": 3, "epoch": 0, "size": 500, "lane": "high", "project": "default"}
    vhost.post("/exchanges/{vhost}/push.batches/publish", message(json.dumps(body), "new.high"))
    for _ in range(2):
        seen = await eventually(lambda: messages(vhost, "sender.high", ackmode="ack_requeue_true"))
        assert json.loads(seen[0]["payload"]) == body
        assert seen[0]["properties"]["type"] == "push.batch.v1"
        assert seen[0]["routing_key"] == "new.high"


def message(payload: str, key: str) -> dict[str, Any]:
    """A message for the UI's "Publish message"."""
    return {
        "routing_key": key,
        "payload": payload,
        "payload_encoding": "string",
        "properties": {"type": "push.batch.v1", "content_type": "application/json", "delivery_mode": 2},
    }
