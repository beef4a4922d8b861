"""Which tests share a process, and which begin first, when a run is spread over several.

Tests go to whichever process is free, in random order. Those that share what there is once go to the same process.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

FIXTURES: Mapping[str, str] = {
    "production": "a node as production has it",
    "vhost": "users of the shared broker: their names are the product's",
    "cluster": "network namespaces: a run removes those of runs that were killed",
}
"""By fixture: what all tests that ask for it share."""

SYSTEMS = ("a whole system", "another whole system")
"""Tests that run all services do so in two processes: more systems at once would not find the machine they expect."""

FILES: Mapping[str, str] = {
    "integration/support/test_cluster.py": FIXTURES["cluster"],
    **dict.fromkeys(
        (
            "chaos/test_failover.py",
            "flow/test_demo.py",
            "flow/test_kills.py",
            "flow/test_outages.py",
            "flow/test_postgresql_states.py",
            "flow/test_repair.py",
            "flow/test_start.py",
        ),
        SYSTEMS[0],
    ),
    **dict.fromkeys(
        (
            "chaos/test_chaos.py",
            "contracts/test_openapi.py",
            "flow/test_bad_input.py",
            "flow/test_control.py",
            "flow/test_delivery.py",
            "flow/test_drain.py",
            "flow/test_rehearsals.py",
            "flow/test_steering.py",
            "flow/test_tutorial.py",
        ),
        SYSTEMS[1],
    ),
}
"""By file below `tests`: the same for its tests."""

TESTS = Path(__file__).parents[1]


def mark_groups(items: Iterable[pytest.Item]) -> None:
    """Mark what goes to the same process."""
    for item in items:
        if (group := _group(item)) is not None:
            item.add_marker(pytest.mark.xdist_group(group))


def longest_first(items: list[pytest.Item]) -> None:
    """Move to the front what has more time than most: a run lasts until the last of them ends."""
    items.sort(key=_limit, reverse=True)


def _group(item: pytest.Item) -> str | None:
    fixtures = getattr(item, "fixturenames", ())
    by_file = FILES.get(item.path.relative_to(TESTS).as_posix())
    if "stack" in fixtures and by_file is None:
        raise ValueError(f"{item.path.name} runs a whole system: say in {Path(__file__).name} beside which others.")
    return by_file or next((group for name, group in FIXTURES.items() if name in fixtures), None)


def _limit(item: pytest.Item) -> float:
    """Seconds that it is given, 0 where it is the same as for most."""
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker is not None and marker.args else 0.0
