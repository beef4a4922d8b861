"""The topology as custom resources of RabbitMQ's messaging topology operator.

`python -m deploy.kubernetes.topology` writes `rabbitmq/topology.yaml`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from shared.topology import EXCHANGES, QUEUES
from shared.topology.access import USERS
from shared.topology.definitions import VHOST
from shared.topology.policies import POLICIES

Resource = dict[str, Any]

FILE = Path(__file__).parent / "rabbitmq" / "topology.yaml"
HEAD = """# Written by python -m deploy.kubernetes.topology: change shared/topology instead.
# Each User takes its name and password from a Secret of its own, with the keys username and password.
"""
CLUSTER = {"name": "carillon-rabbitmq"}


def resources() -> Iterator[Resource]:
    """Every resource, in an order in which none refers to a later one."""
    yield _resource("Vhost", "carillon", name=VHOST)
    for exchange in EXCHANGES:
        yield _resource("Exchange", exchange, name=exchange, vhost=VHOST, type="topic", durable=True)
    for queue in QUEUES:
        arguments = {name: value for name, value in queue.arguments.items() if name != "x-queue-type"}
        more = {"arguments": arguments} if arguments else {}
        yield _resource("Queue", queue.name, name=queue.name, vhost=VHOST, type="quorum", durable=True, **more)
        for number, binding in enumerate(queue.bindings, start=1):
            yield _resource(
                "Binding",
                f"{queue.name}.{number}",
                vhost=VHOST,
                source=binding.exchange,
                destination=queue.name,
                destinationType="queue",
                routingKey=binding.pattern,
            )
    for policy in POLICIES:
        yield _resource(
            "Policy",
            policy.name,
            name=policy.name,
            vhost=VHOST,
            pattern=policy.pattern,
            applyTo=policy.apply_to,
            priority=policy.priority,
            definition=dict(policy.definition),
        )
    for user in USERS:
        tags = {"tags": [user.tags]} if user.tags else {}
        yield _resource("User", user.name, importCredentialsSecret={"name": f"{user.name}-broker"}, **tags)
        yield _resource(
            "Permission",
            user.name,
            vhost=VHOST,
            userReference={"name": user.name},
            permissions={"configure": user.configure, "write": user.write, "read": user.read},
        )


def as_yaml() -> str:
    """The file's text."""
    return HEAD + "---\n" + yaml.safe_dump_all(resources(), sort_keys=False, width=120)


def _resource(kind: str, called: str, /, **spec: Any) -> Resource:
    return {
        "apiVersion": "rabbitmq.com/v1beta1",
        "kind": kind,
        # The operator needs names of Kubernetes' kind; RabbitMQ's own are in the spec.
        "metadata": {"name": called},
        "spec": {**spec, "rabbitmqClusterReference": dict(CLUSTER)},
    }


if __name__ == "__main__":
    FILE.write_text(as_yaml())
