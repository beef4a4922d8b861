"""The packages' modules and their imports, as import-linter's graph (grimp) has them, as a page with pictures.

`python -m tests.support.module_map` writes `docs/modules.md`.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import grimp

from deploy.local.folders import REPOSITORY

PAGE = REPOSITORY / "docs" / "modules.md"

PACKAGES = (
    "services.api",
    "services.planner",
    "services.sender",
    "services.aggregator",
    "services.fcm_emulator",
    "shared",
)

HEAD = """# Modules and their imports

Written by `python -m tests.support.module_map` from the graph that import-linter checks (grimp), and held to the code
by a test. A module here is a file or a folder directly in its package; a folder counts as one. An import counts once
for each pair of modules, however many names it takes. What is imported for types alone counts too.

The contracts in `pyproject.toml` hold: services import no other service, `shared` imports none, the API's rooms import
only those below, and in no package of any depth do modules import each other in a circle. One exception is written
there: the names in `shared.topology` are values that the broker client uses, and the rest of that package is a client
of the broker.

| package | modules | imports between them | in circles | longest chain |
|---|---|---|---|---|
"""

BEFORE = """
Before the API was sorted into rooms and the emulator's circles were opened, the same count gave:

| package | modules | imports between them | in circles |
|---|---|---|---|
| services.api | 30 | 133 | 11 |
| services.fcm_emulator | 22 | 49 | 4 |

In the pictures an arrow leads from a module to what it imports. An arrow that follows from others is left out: where
`a` imports `b` and `b` imports `c`, none leads from `a` to `c`.
"""

Edges = dict[str, frozenset[str]]
"""Module to the modules of the same package that it imports."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package's modules; `excepted` are imports that a contract leaves out, as pairs."""

    name: str
    edges: Edges
    excepted: frozenset[tuple[str, str]]

    @property
    def imports(self) -> int:
        """Pairs of modules of which the first imports the second."""
        return sum(map(len, self.edges.values()))

    @property
    def checked(self) -> Edges:
        """What the contract holds: all but the imports that it leaves out."""
        return {
            module: frozenset(other for other in imported if (module, other) not in self.excepted)
            for module, imported in self.edges.items()
        }


def packages() -> list[Package]:
    """Read the code."""
    graph = grimp.build_graph("services", "shared", "deploy", cache_dir=None)
    excepted = _excepted()
    return [Package(name, edges_in(graph, name), _between(name, excepted)) for name in PACKAGES]


def edges_in(graph: grimp.ImportGraph, package: str) -> Edges:
    """The modules directly in a package, and which of them imports which."""
    edges: dict[str, set[str]] = {_last(child): set() for child in graph.find_children(package)}
    for module in graph.find_descendants(package):
        for imported in graph.find_modules_directly_imported_by(module):
            if imported.startswith(f"{package}.") and (pair := _pair(package, module, imported)) is not None:
                edges[pair[0]].add(pair[1])
    return {module: frozenset(imported) for module, imported in edges.items()}


def reachable(edges: Edges) -> dict[str, frozenset[str]]:
    """What each module imports, directly or through others; itself too if it is in a circle."""
    found: dict[str, frozenset[str]] = {}
    for start in edges:
        seen: set[str] = set()
        ahead = list(edges[start])
        while ahead:
            module = ahead.pop()
            if module not in seen:
                seen.add(module)
                ahead += edges[module]
        found[start] = frozenset(seen)
    return found


def in_circles(edges: Edges) -> frozenset[str]:
    """Modules that import themselves through others."""
    return frozenset(module for module, far in reachable(edges).items() if module in far)


def reduced(edges: Edges) -> Edges:
    """The imports that follow from no others; of edges without a circle."""
    far = reachable(edges)
    return {
        module: frozenset(one for one in imported if not any(one in far[other] for other in imported))
        for module, imported in edges.items()
    }


def longest_chain(edges: Edges) -> list[str]:
    """The longest chain of imports, of edges without a circle; of several the first by name."""
    chains: dict[str, list[str]] = {}

    def chain(module: str) -> list[str]:
        if module not in chains:
            below = max((chain(one) for one in sorted(edges[module])), key=len, default=[])
            chains[module] = [module, *below]
        return chains[module]

    return max((chain(module) for module in sorted(edges)), key=len, default=[])


def as_markdown(found: list[Package]) -> str:
    """The page."""
    rows = [
        f"| [{one.name}](#{one.name.replace('.', '')}) | {len(one.edges)} | {one.imports} "
        f"| {len(in_circles(one.checked))} | {len(longest_chain(one.checked))} |\n"
        for one in found
    ]
    return "".join((HEAD, *rows, BEFORE, *(section for one in found for section in _section(one))))


def _section(package: Package) -> Iterator[str]:
    yield f"\n## {package.name}\n\n```mermaid\nflowchart TD\n"
    for module in sorted(package.edges):
        yield f"  {_node(module)}[{module}]\n"
    drawn = reduced(package.checked)
    for module in sorted(drawn):
        for other in sorted(drawn[module]):
            yield f"  {_node(module)} --> {_node(other)}\n"
    for module, other in sorted(package.excepted):
        yield f"  {_node(module)} -.-> {_node(other)}\n"
    chain = longest_chain(package.checked)
    yield f"```\n\nThe longest chain: {' → '.join(chain)}.\n"
    if package.excepted:
        yield "Dotted: the exception that is named above.\n"


def _node(module: str) -> str:
    """Mermaid keeps words such as `end` and `call` for itself."""
    return f"m_{module.strip('_')}"


def _excepted() -> Mapping[str, str]:
    """The imports that contracts against circles leave out."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    return dict(
        line.split(" -> ")
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["type"] == "acyclic_siblings"
        for line in contract.get("ignore_imports", [])
    )


def _between(package: str, excepted: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    inside = {one: other for one, other in excepted.items() if f"{one}|{other}".count(f"{package}.") > 1}
    pairs = (_pair(package, one, other) for one, other in inside.items())
    return frozenset(pair for pair in pairs if pair is not None)


def _pair(package: str, importer: str, imported: str) -> tuple[str, str] | None:
    """The two modules of the package; None when they are one."""
    one, other = (module.removeprefix(f"{package}.").split(".")[0] for module in (importer, imported))
    return None if one == other else (one, other)


def _last(module: str) -> str:
    return module.rsplit(".", 1)[-1]


if __name__ == "__main__":
    PAGE.write_text(as_markdown(packages()))
