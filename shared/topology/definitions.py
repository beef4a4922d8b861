"""The topology as RabbitMQ's own definitions document: what its management UI exports and imports.

`deploy/rabbitmq/definitions.json` is this, written by `python -m shared.topology.definitions`. It holds no users:
their passwords belong in no file of a repository; `python -m shared.topology` makes them (see there).
"""

import json
import sys
from typing import Any

from shared.topology import EXCHANGES, QUEUES
from shared.topology.policies import POLICIES

VHOST = "carillon"


def definitions(vhost: str = VHOST) -> dict[str, list[dict[str, Any]]]:
    """Everything that the vhost must hold."""
    return {
        "vhosts": [{"name": vhost}],
        "exchanges": [
            {
                "name": name,
                "vhost": vhost,
                "type": "topic",
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": {},
            }
            for name in EXCHANGES
        ],
        "queues": [
            {
                "name": queue.name,
                "vhost": vhost,
                "durable": True,
                "auto_delete": False,
                "arguments": queue.arguments,
            }
            for queue in QUEUES
        ],
        "bindings": [
            {
                "source": binding.exchange,
                "vhost": vhost,
                "destination": queue.name,
                "destination_type": "queue",
                "routing_key": binding.pattern,
                "arguments": {},
            }
            for queue in QUEUES
            for binding in queue.bindings
        ],
        "policies": [
            {
                "vhost": vhost,
                "name": policy.name,
                "pattern": policy.pattern,
                "apply-to": policy.apply_to,
                "definition": dict(policy.definition),
                "priority": policy.priority,
            }
            for policy in POLICIES
        ],
    }


def as_json() -> str:
    """The document as it is kept."""
    return json.dumps(definitions(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_json())
