"""Which tests share a process, and which begin first."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DIFFERS_BY_VERSION
from tests.support.arrangement import FILES, SYSTEMS, TESTS, longest_first, mark_groups


@dataclass
class Item:
    """A test as far as its arrangement goes."""

    path: Path
    fixturenames: Sequence[str] = ()
    limit: float | None = None
    marks: list[pytest.MarkDecorator] = field(default_factory=list)

    def add_marker(self, marker: pytest.MarkDecorator) -> None:
        """Keep it."""
        self.marks.append(marker)

    def get_closest_marker(self, _: str) -> pytest.Mark | None:
        """Its time limit."""
        return pytest.mark.timeout(self.limit).mark if self.limit else None


def test_what_is_named_is_there() -> None:
    """A test that moves away takes its arrangement along."""
    assert [name for name in (*FILES, *DIFFERS_BY_VERSION) if not (TESTS / name).exists()] == []


def test_what_shares_goes_together_and_all_else_where_there_is_room() -> None:
    """By file, else by fixture."""
    items: list[Any] = [
        Item(TESTS / "flow/test_kills.py", ["system", "stack"]),
        Item(TESTS / "flow/test_drain.py", ["system", "stack"]),
        Item(TESTS / "integration/support/test_cluster.py"),
        Item(TESTS / "integration/shared/amqp/test_minority.py", ["cluster"]),
        Item(TESTS / "integration/shared/test_db.py", ["database_url"]),
    ]
    mark_groups(items)
    groups = [[mark.args[0] for mark in item.marks] for item in items]
    assert groups[:2] == [[name] for name in SYSTEMS]
    assert groups[2] == groups[3] != []
    assert groups[4] == []


def test_a_new_file_of_tests_of_the_whole_system_is_put_somewhere() -> None:
    """A third system would start in any process."""
    items: list[Any] = [Item(TESTS / "flow/test_new.py", ["stack"])]
    with pytest.raises(ValueError, match=r"test_new\.py"):
        mark_groups(items)


def test_what_may_take_long_begins_first_and_all_else_keeps_its_order() -> None:
    """A limit of its own says that it may."""
    limits = [None, 120, None, 600, 120]
    items: list[Any] = [Item(Path(str(place)), limit=limit) for place, limit in enumerate(limits)]
    longest_first(items)
    assert [item.path.name for item in items] == ["3", "1", "4", "0", "2"]
