"""A dependency is declared with its reason."""

import pytest

from deploy.dependencies.declared import Dependency, UndeclaredError, name_of, of_project, of_requirements

PROJECT = """
[project]
name = "made-up"
dependencies = [
  "SQLAlchemy[asyncio]>=2.1",  # engine and pool: the SQL is text
  "uvloop>=0.23",              # the event loop, in C
]

[project.optional-dependencies]
dev = [
  "ruff>=0.17",  # formatter and linter
]
"""


def test_every_group_is_read_with_its_reasons() -> None:
    """The comment is the reason, whatever stands in it."""
    assert of_project(PROJECT) == {
        "": [
            Dependency("sqlalchemy", "engine and pool: the SQL is text"),
            Dependency("uvloop", "the event loop, in C"),
        ],
        "dev": [Dependency("ruff", "formatter and linter")],
    }


def test_two_groups_declare_the_same_for_two_reasons() -> None:
    """Each keeps its own."""
    extra = '\ntools = [\n  "ruff>=0.17",  # for the tools\n]\n'
    found = of_project(PROJECT + extra)
    assert [found[group][0].reason for group in ("dev", "tools")] == ["formatter and linter", "for the tools"]


def test_a_project_without_extras_has_one_group() -> None:
    """Which is that of every installation."""
    assert of_project('[project]\ndependencies = [\n  "h2>=4",  # HTTP/2\n]\n') == {"": [Dependency("h2", "HTTP/2")]}


@pytest.mark.parametrize("line", ['"ruff>=0.17",', '"ruff>=0.17",  #', '"ruff>=0.17"  # ', '"ruff>=0.18"'])
def test_a_dependency_without_a_reason_is_named(line: str) -> None:
    """By its requirement, as it is written."""
    with pytest.raises(UndeclaredError, match=r"ruff>=0\.1[78]"):
        of_project(PROJECT.replace('"ruff>=0.17",  # formatter and linter', line))


def test_a_requirements_file_is_read_in_the_same_way() -> None:
    """Lines that are comments say nothing about a package."""
    text = "# all of it: made up\n\ndjango>=5.2,<6   # models\npsycopg[binary]>=3.2 # the driver\n"
    assert of_requirements(text) == [Dependency("django", "models"), Dependency("psycopg", "the driver")]
    with pytest.raises(UndeclaredError, match="django"):
        of_requirements("django>=5.2,<6\n")


def test_names_are_spelled_as_lock_files_spell_them() -> None:
    """PEP 503."""
    assert [name_of(text) for text in ("A.B_c--d>1", "pip-tools", "x[y]~=1")] == ["a-b-c-d", "pip-tools", "x"]
