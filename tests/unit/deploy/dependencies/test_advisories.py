"""What pip-audit writes is judged by what it looked up, not by how it ended."""

import json
from typing import Any

import pytest

from deploy.dependencies.advisories import Report, read, verdict

CLEAN: dict[str, Any] = {"name": "h2", "version": "4.4.1", "vulns": []}
UNKNOWN: dict[str, Any] = {"name": "uvloop", "skip_reason": "not found"}
BAD: dict[str, Any] = {
    "name": "idna",
    "version": "3.6",
    "vulns": [{"id": "PYSEC-2024-60", "fix_versions": ["3.7"], "aliases": ["CVE-2024-3651"]}],
}
WORSE: dict[str, Any] = {"name": "ecdsa", "version": "0.19", "vulns": [{"id": "GHSA-wj6h-64fc-37mp"}]}


def written(*packages: dict[str, Any]) -> str:
    """What pip-audit writes of these packages."""
    return json.dumps({"dependencies": packages, "fixes": []})


def test_a_vulnerability_is_found_with_what_mends_it() -> None:
    """Each on a line of its own."""
    report = read(written(CLEAN, BAD, WORSE))
    assert report is not None
    assert report == Report(
        found=(
            "idna 3.6: PYSEC-2024-60, mended in 3.7",
            "ecdsa 0.19: GHSA-wj6h-64fc-37mp, not mended yet",
        ),
        known=3,
        unknown=(),
    )
    text, passed = verdict(report)
    assert not passed
    assert text.splitlines() == [*report.found, "3 packages looked up, 2 known vulnerabilities"]


@pytest.mark.parametrize("name", ["PYSEC-2024-60", "CVE-2024-3651"])
def test_an_accepted_advisory_is_not_found(name: str) -> None:
    """By any of its names."""
    assert read(written(BAD), {name: "no host name comes from outside"}) == Report((), 1, ())


def test_packages_that_the_database_does_not_know_are_named() -> None:
    """The rest was looked up, so the check may pass."""
    text, passed = verdict(read(written(CLEAN, UNKNOWN)))
    assert passed
    assert text == (
        "NOT LOOKED UP, the database does not know them: uvloop\n1 packages looked up, 0 known vulnerabilities"
    )


@pytest.mark.parametrize("text", ["", "no such host", "[]", "{}", "null"])
def test_what_is_no_report_is_none(text: str) -> None:
    """A database that is away fails nothing, and is said aloud."""
    assert read(text) is None
    said, passed = verdict(None)
    assert passed
    assert said.startswith("NOT RUN")
