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

FILES: Mapping[str, str] = {"integration/support/test_cluster.py": FIXTURES["cluster"]}
"""By file below `tests`: the same for tests that ask for no such fixture."""

SYSTEMS = ("a running system", "another running system")
"""Tests of the whole system share one; two halves of them run beside each other."""

OTHER_SYSTEM = frozenset(
    f"flow/test_{name}.py" for name in ("bad_input", "control", "delivery", "drain", "steering", "tutorial")
)

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
    file = item.path.relative_to(TESTS).as_posix()
    if "stack" in fixtures:
        return SYSTEMS[file in OTHER_SYSTEM]
    return next((group for name, group in FIXTURES.items() if name in fixtures), FILES.get(file))


def _limit(item: pytest.Item) -> float:
    """Seconds that it is given, 0 where it is the same as for most."""
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker is not None and marker.args else 0.0
