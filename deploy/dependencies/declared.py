"""The dependencies that are declared, each with the reason that stands beside it."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LINE = re.compile(r"""^\s*"?(?P<requirement>[A-Za-z0-9][^"#]*?)"?,?\s+#\s+(?P<reason>\S.*?)\s*$""")


class UndeclaredError(Exception):
    """Raised when a dependency is declared without a reason: says which."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """One line of a declaration: the package's name as registries spell it, and why it is there."""

    name: str
    reason: str


def of_project(text: str) -> dict[str, list[Dependency]]:
    """Give the dependencies in a `pyproject.toml`: "" for those of every installation, then each extra's.

    Raises `UndeclaredError` when a line has no comment: TOML has no place for a reason but that.
    """
    project = tomllib.loads(text)["project"]
    groups = {"": project["dependencies"], **project.get("optional-dependencies", {})}
    reasons = _reasons(text)
    return {group: _with(reasons, requirements) for group, requirements in groups.items()}


def of_requirements(text: str) -> list[Dependency]:
    """Give the dependencies in a requirements file, each of which has its reason behind `#`; raises the same."""
    lines = (line.strip() for line in text.splitlines())
    requirements = [line.partition("#")[0].strip() for line in lines if line and not line.startswith("#")]
    return _with(_reasons(text), requirements)


def name_of(requirement: str) -> str:
    """Give a requirement's name, in the one spelling of lock files.

    >>> name_of("SQLAlchemy[asyncio]>=2.1"), name_of("zope.interface")
    ('sqlalchemy', 'zope-interface')
    """
    found = _NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


def _reasons(text: str) -> dict[str, list[str]]:
    """Each requirement's reasons in the order of the lines: two groups may declare the same for two reasons."""
    reasons: dict[str, list[str]] = {}
    for line in text.splitlines():
        if found := _LINE.match(line):
            reasons.setdefault(found["requirement"], []).append(found["reason"])
    return reasons


def _with(reasons: dict[str, list[str]], requirements: Iterable[str]) -> list[Dependency]:
    """Take a reason for each requirement; the groups are asked in the order in which they are written."""
    result: list[Dependency] = []
    for requirement in requirements:
        if not reasons.get(requirement):
            raise UndeclaredError(f"say why it is there, in a comment on the line of {requirement}")
        result.append(Dependency(name_of(requirement), reasons[requirement].pop(0)))
    return result
