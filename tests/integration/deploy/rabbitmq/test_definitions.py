"""`deploy/rabbitmq/definitions.json` on a real broker, beside what the bootstrap declares."""

import json
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from deploy.local.broker import Broker
from deploy.local.folders import REPOSITORY
from tests.integration.deploy.rabbitmq.conftest import Vhost
from tests.support.eventually import eventually

KINDS = ("queues", "exchanges", "bindings", "policies")


async def definitions_of(broker: Broker, vhost: str) -> dict[str, list[dict[str, Any]]]:
    """What the broker exports of a vhost, in one order."""
    exported = broker.manage("GET", f"/definitions/{quote(vhost, safe='')}")
    assert isinstance(exported, dict)
    found = {kind: [{**entry, "vhost": "any"} for entry in exported[kind]] for kind in KINDS}
    return {kind: sorted(found[kind], key=lambda entry: json.dumps(entry, sort_keys=True)) for kind in KINDS}


async def test_importing_the_file_is_the_same_as_the_bootstrap(
    broker: Broker, vhost: Vhost, empty_amqp_url: str
) -> None:
    """Two ways to a broker that holds the same, argument by argument."""
    declared = await definitions_of(broker, vhost.name)
    assert urlsplit(empty_amqp_url).path == f"/{vhost.name}"
    other = f"{vhost.name}-imported"
    broker.create_vhost(other)
    try:
        document = json.loads((REPOSITORY / "deploy/rabbitmq/definitions.json").read_text())
        parts = urlsplit(broker.url)
        async with httpx.AsyncClient(auth=(parts.username or "", parts.password or ""), trust_env=False) as client:
            answer = await client.post(
                f"{broker.management_url}/api/definitions/{quote(other, safe='')}",
                json={kind: document[kind] for kind in KINDS},
            )
        assert answer.is_success, answer.text
        assert await definitions_of(broker, other) == declared
    finally:
        broker.delete_vhost(other)
    assert {queue["name"] for queue in declared["queues"]} >= {"sender.high", "planner.commands", "dead"}
    assert len(declared["policies"]) == 2


async def test_the_emergency_stop_is_in_force(vhost: Vhost) -> None:
    """On queues whose own arguments say what happens at the limit: publishing is refused."""

    def listed() -> list[dict[str, Any]]:
        queues = vhost.manage("GET", "/queues/{vhost}")
        assert isinstance(queues, list)
        told = all(queue.get("policy") for queue in queues if queue["name"] != "dead")
        assert told, "the broker collects these every 5 s"
        return queues

    for queue in await eventually(listed, within=20.0):
        if queue["name"] == "dead":
            assert queue.get("policy") is None, "3.10 says null, 4.3 nothing"
            continue
        assert queue["policy"] == "emergency-stop"
        assert queue["arguments"]["x-overflow"] == "reject-publish"
        assert queue["effective_policy_definition"]["max-length"] == 1_000_000
