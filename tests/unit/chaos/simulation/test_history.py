"""Lines that are the same in every run."""

from tests.chaos.simulation.history import History


def test_a_line_tells_neither_where_objects_lie_nor_how_python_orders_a_set() -> None:
    """Both are others in every process."""
    history = History(lambda: 1.5, on=True)
    history.add("did", "claim", "blocked=frozenset({'web', 'ios'}), probing=frozenset({2, 1})", "<Relay at 0x7f00>")
    history.add("did", frozenset[str](), {"b": 1, "a": 2})
    assert history.lines == [
        "    1.5000 did       claim blocked=frozenset({'ios', 'web'}), probing=frozenset({1, 2}) <Relay>",
        "    1.5000 did       frozenset() {'b': 1, 'a': 2}",
    ]
