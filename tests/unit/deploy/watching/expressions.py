"""PromQL taken apart: the metrics that an expression reads, and the labels that it chooses them by."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import prometheus_client
import promql_parser
from prometheus_client import REGISTRY

from shared.observability import metrics

FROM_THE_BROKER = {
    "rabbitmq_alarms_file_descriptor_limit": set[str](),
    "rabbitmq_alarms_free_disk_space_watermark": set[str](),
    "rabbitmq_alarms_memory_used_watermark": set[str](),
    "rabbitmq_detailed_queue_consumers": {"vhost", "queue"},
    "rabbitmq_detailed_queue_messages_ready": {"vhost", "queue"},
}
"""RabbitMQ's names that are used; tests/integration/deploy/prometheus asks a real one for them."""
GONE_SINCE_4_3 = {"rabbitmq_alarms_file_descriptor_limit"}
"""Of these; an expression reads them beside others."""
FROM_PROMETHEUS = {"up": set[str]()}
SCRAPED = {"job", "instance"}
"""Labels that every series gets when it is scraped."""


class Selected(NamedTuple):
    """A metric's name and the labels of its matchers."""

    name: str
    labels: frozenset[str]


def selected(expression: str) -> set[Selected]:
    """Every metric that the expression reads; raises ValueError when it is no PromQL."""
    return set(_walk(promql_parser.parse(expression)))


def _walk(node: Any) -> Iterator[Selected]:
    if isinstance(node, promql_parser.VectorSelector):
        yield Selected(str(node.name), frozenset(matcher.name for matcher in node.matchers.matchers))
        return
    for name in ("vector_selector", "expr", "lhs", "rhs", "param"):
        child = getattr(node, name, None)
        if child is not None:
            yield from _walk(child)
    for child in getattr(node, "args", None) or ():
        yield from _walk(child)


def vocabulary() -> dict[str, set[str]]:
    """Every series that our processes export, with its labels."""
    assert metrics.DEVICES is not None
    found: dict[str, set[str]] = {}
    for collector in list(REGISTRY._collector_to_names):
        labels = set(getattr(collector, "_labelnames", ()))
        for name in REGISTRY._collector_to_names[collector]:
            found[name] = labels | ({"le"} if name.endswith("_bucket") else set())
    # Only Linux exports these, by a collector that describes nothing.
    found |= {name: set() for name in ("process_cpu_seconds_total", "process_resident_memory_bytes")}
    assert prometheus_client.PROCESS_COLLECTOR is not None
    return found
