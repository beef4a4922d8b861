"""The page of modules is what the code imports, and its figures mean what they say."""

import grimp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.module_map import (
    PAGE,
    Edges,
    Package,
    as_markdown,
    edges_in,
    in_circles,
    longest_chain,
    packages,
    reachable,
    reduced,
)

CHAIN: Edges = {"a": frozenset("bc"), "b": frozenset("c"), "c": frozenset()}
CIRCLE: Edges = {"a": frozenset("b"), "b": frozenset("a"), "c": frozenset("a")}


@pytest.fixture(scope="module")
def found() -> list[Package]:
    """The code's packages, read once."""
    return packages()


def test_the_page_is_what_the_code_imports(found: list[Package]) -> None:
    """Write it anew with `python -m tests.support.module_map`."""
    assert PAGE.read_text() == as_markdown(found)


def test_no_package_has_a_circle(found: list[Package]) -> None:
    """But for the exception that the contract names."""
    assert {package.name: sorted(in_circles(package.checked)) for package in found if in_circles(package.checked)} == {}


def test_a_folder_counts_as_one_module() -> None:
    """What is imported inside it is not an import of the package."""
    graph = grimp.ImportGraph()
    for module in ("p", "p.a", "p.a.x", "p.a.y", "p.b", "q"):
        graph.add_module(module)
    graph.add_import(importer="p.a.x", imported="p.a.y")
    graph.add_import(importer="p.a.x", imported="p.b")
    graph.add_import(importer="p.a.y", imported="p.b")
    graph.add_import(importer="p.b", imported="q")
    assert edges_in(graph, "p") == {"a": frozenset("b"), "b": frozenset()}


def test_an_import_that_follows_from_others_is_not_drawn() -> None:
    """The chain says it already."""
    assert reduced(CHAIN) == {"a": frozenset("b"), "b": frozenset("c"), "c": frozenset()}
    assert longest_chain(CHAIN) == ["a", "b", "c"]


def test_who_only_imports_a_circle_is_in_none() -> None:
    """Only what comes back to itself is."""
    assert in_circles(CIRCLE) == {"a", "b"}
    assert not in_circles(CHAIN)


@given(st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda pair: pair[0] < pair[1])))
def test_the_drawing_leads_wherever_the_imports_do(pairs: set[tuple[int, int]]) -> None:
    """Leaving out what follows loses nothing, whatever the graph without circles."""
    edges = {str(one): frozenset(str(other) for start, other in pairs if start == one) for one in range(8)}
    assert reachable(reduced(edges)) == reachable(edges)
