"""Reading the metrics of a running stack."""

import httpx
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.stack import Stack

Buckets = dict[float, float]
"""Upper bound of a histogram's bucket to how many observations were at most that, over all processes asked."""


async def samples(stack: Stack, role: str) -> list[tuple[str, dict[str, str], float]]:
    """Every sample of the processes whose name begins with `role`: name, labels, value."""
    found: list[tuple[str, dict[str, str], float]] = []
    async with httpx.AsyncClient(trust_env=False) as client:
        for name, service in stack.services.items():
            if name.startswith(role) and service.process.running:
                text = (await client.get(f"{service.url}/metrics")).text
                for family in text_string_to_metric_families(text):
                    found += [(sample.name, dict(sample.labels), float(sample.value)) for sample in family.samples]
    return found


async def buckets(stack: Stack, histogram: str, *, role: str = "sender", **labels: str) -> Buckets:
    """A histogram's cumulative buckets, summed over the role's processes and the label values not given."""
    found: Buckets = {}
    for name, its, value in await samples(stack, role):
        if name == f"{histogram}_bucket" and labels.items() <= its.items():
            bound = float(its["le"])
            found[bound] = found.get(bound, 0.0) + value
    return found


async def counter(stack: Stack, name: str, *, role: str, **labels: str) -> float:
    """A counter's value, summed over the role's processes."""
    return sum(
        value for its, said, value in await samples(stack, role) if its == name and labels.items() <= said.items()
    )


def quantile_is_below(before: Buckets, after: Buckets, quantile: float, bound: float) -> bool:
    """Whether that share of the observations between two looks was at most `bound`, which must be a bucket's."""
    total = after[float("inf")] - before.get(float("inf"), 0.0)
    below = after[bound] - before.get(bound, 0.0)
    return total > 0 and below >= quantile * total
