"""Known vulnerabilities of what the lock files name, asked from the databases that answer; a thin layer on pip-audit.

pip-audit ends with code 0 when a database knows none of the packages, as a registry's mirror without advisories does,
and with code 1 both for a vulnerability and for a network that is away. So what it wrote counts, not how it ended.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

DATABASES: tuple[tuple[str, ...], ...] = (("--vulnerability-service", "pypi"), ("--vulnerability-service", "osv"))
"""Options of pip-audit, asked in this order until one answers: the registry's own advisories, then OSV's."""

ACCEPTED: Mapping[str, str] = {}
"""Advisories that do not concern Carillon, by id (`GHSA-…`, `PYSEC-…`), each with the reason. Empty is what to keep."""

LONGEST = 120.0
"""Seconds for one database: a network that swallows packets must not hold the check."""

SILENCE = """NOT RUN: no database of advisories answered from here: known vulnerabilities were not looked up.
Where the network is open, ./run check looks them up."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one database said: a line for each vulnerability, and the packages that it knew and did not know."""

    found: tuple[str, ...]
    known: int
    unknown: tuple[str, ...]


def read(text: str, accepted: Mapping[str, str] = ACCEPTED) -> Report | None:
    """Read what pip-audit wrote as JSON; None when it wrote none, which it does when the database is away."""
    try:
        packages = json.loads(text)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return None
    found = [
        f"{package['name']} {package['version']}: {_told(advisory)}"
        for package in packages
        for advisory in package.get("vulns", ())
        if not accepted.keys() & {advisory["id"], *advisory.get("aliases", ())}
    ]
    unknown = tuple(package["name"] for package in packages if "skip_reason" in package)
    return Report(tuple(found), len(packages) - len(unknown), unknown)


def look_up(locks: Sequence[Path], databases: Sequence[Sequence[str]] = DATABASES) -> Report | None:
    """Ask the databases in turn; the first that knows a package has answered. None when none has."""
    for options in databases:
        report = read(_asked(locks, options))
        if report is not None and report.known:
            return report
    return None


def verdict(report: Report | None) -> tuple[str, bool]:
    """Say what came of it in lines for a person, and whether the check may pass."""
    if report is None:
        return SILENCE, True
    lines = [*report.found]
    if report.unknown:
        lines.append(f"NOT LOOKED UP, the database does not know them: {', '.join(report.unknown)}")
    lines.append(f"{report.known} packages looked up, {len(report.found)} known vulnerabilities")
    return "\n".join(lines), not report.found


def _asked(locks: Sequence[Path], options: Sequence[str]) -> str:
    files = [word for lock in locks for word in ("--requirement", str(lock))]
    # The locks have every version and hash: nothing is resolved or installed.
    fixed = ("--disable-pip", "--format", "json", "--desc", "off", "--progress-spinner", "off", "--timeout", "5")
    words = [sys.executable, "-m", "pip_audit", *fixed, *options, *files]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=LONGEST)  # noqa: S603 - ours
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout


def _told(advisory: Mapping[str, object]) -> str:
    fixes = advisory.get("fix_versions")
    remedy = f"mended in {', '.join(map(str, fixes))}" if isinstance(fixes, list) and fixes else "not mended yet"
    return f"{advisory['id']}, {remedy}"
