"""`docs/dependencies.md`: every package that is declared, with why, which version and which licence.

Then what those bring into the image. `./run lock` writes it, and a test holds it to `pyproject.toml` and the locks.
"""

from collections.abc import Iterable, Iterator, Mapping

from deploy.dependencies.declared import Dependency, of_project, of_requirements
from deploy.dependencies.licences import licence_of
from deploy.dependencies.locked import Pin, pins
from deploy.local.folders import REPOSITORY

PAGE = REPOSITORY / "docs" / "dependencies.md"
PROJECT = REPOSITORY / "pyproject.toml"
LOCK = REPOSITORY / "requirements.lock"
IMAGE_LOCK = REPOSITORY / "requirements-image.lock"
BENCH = REPOSITORY / "tests" / "benchmarks" / "article" / "requirements.in"
BENCH_LOCK = REPOSITORY / "requirements-bench.lock"

GROUPS = {
    "": ("Services", "In the image, in every process."),
    "telemetry": ("Traces", "In the image; imported only where traces are switched on."),
    "emulator": ("The FCM emulator", "In the image; imported only by the emulator."),
    "local": ("`./run` on one machine", "Not in the image: demo, `up`, benchmarks, rehearsals, chaos."),
    "dev": ("Tests, checks and lock files", "Not in the image."),
}
"""Title and place of `dependencies` and of each extra in `pyproject.toml`."""

HEAD = """# Dependencies

Written by `./run lock` from `pyproject.toml` (why), the lock files (version) and the packages' metadata (licence, as an
SPDX expression). `./run check` refuses a licence in the image that `deploy/dependencies/licences.py` does not allow, a
dependency that is declared and not imported, and one that is imported and not declared.

`./run lock --upgrade` brings every package to the newest version that its bounds in `pyproject.toml` allow.
"""


def as_markdown() -> str:
    """The page as it should be; raises as `declared` and `licences` do."""
    whole, image, bench = (pins(path.read_text()) for path in (LOCK, IMAGE_LOCK, BENCH_LOCK))
    declared = of_project(PROJECT.read_text())
    lines = [HEAD]
    for group, dependencies in declared.items():
        lines += _declared(*GROUPS[group], dependencies, whole)
    lines += _declared(
        "The benchmark beside Celery",
        "Not in the image: `./run bench celery` makes an environment of its own, from `requirements-bench.lock`.",
        of_requirements(BENCH.read_text()),
        bench,
    )
    direct = {dependency.name for dependencies in declared.values() for dependency in dependencies}
    lines += _brought([pin for name, pin in image.items() if name not in direct])
    return "\n".join(lines)


def _declared(title: str, where: str, rows: Iterable[Dependency], locked: Mapping[str, Pin]) -> Iterator[str]:
    yield from (f"## {title}", "", where, "", "| Package | Version | Licence | Why |", "|---|---|---|---|")
    for row in rows:
        yield f"| {row.name} | {locked[row.name].version} | {licence_of(row.name)} | {row.reason.replace('|', '/')} |"
    yield ""


def _brought(rows: Iterable[Pin]) -> Iterator[str]:
    yield from ("## What these bring into the image", "", "| Package | Version | Licence | Brought by |")
    yield "|---|---|---|---|"
    for row in rows:
        yield f"| {row.name} | {row.version} | {licence_of(row.name)} | {', '.join(row.via)} |"
    yield ""
