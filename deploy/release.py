"""`./run release [VERSION]`: what is to be checked before a release, and whether what a machine can check holds.

VERSION is the one that is to be released; without it, what `shared/version.py` says. Nothing is changed, tagged or
published. Exit code 0 when every check of the machine holds; the list for people is printed either way.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from deploy.local.folders import REPOSITORY
from shared.version import VERSION

BY_HAND = """
By hand, on the commit that is to be tagged:
  ./run test                                 everything that CI runs
  ./run on rabbitmq-3.10 test                the oldest RabbitMQ that is promised
  ./run demo --devices 1000000 --json        its figures beside those of README.md
  ./run chaos --seed N --minutes 30          a seed that nobody has played
  docker compose build && docker compose --env-file deploy/compose/demo.env up --detach --wait
                                             and a campaign through it; then docs/operator-guide/what-was-run.md anew
  upgrade a stack of the version before, with a campaign under way, by docs/operator-guide/upgrades.md as it is written
  read the changelog as an operator: what must be done is a row of that page

Then:
  git tag --annotate v{version} --message "Carillon {version}"
"""

CHANGELOG = "CHANGELOG.md"
UPGRADES = "docs/operator-guide/upgrades.md"
MIGRATIONS = "shared/ledger/migrations/versions"
_SECTION = re.compile(r"^## (\S+)(?: - (\S+))?\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, and what is wrong with it and how to mend it; None when it holds."""

    what: str
    fault: str | None


@dataclass(frozen=True, slots=True)
class Section:
    """A version's part of the changelog; `date` as it is written, empty where it is not."""

    version: str
    date: str
    text: str


def sections(changelog: str) -> list[Section]:
    """Every part of a changelog, in its order."""
    return [Section(*found) for found in _SECTION.findall(changelog)]


def changelog_faults(changelog: str, version: str, today: date) -> Iterator[str]:
    """What keeps a changelog from being that of a release of `version` today."""
    unreleased, *released = sections(changelog) or [Section("", "", "")]
    if unreleased.version != "Unreleased":
        yield "the first section should be `## Unreleased`: what comes after the release is written there"
    elif unreleased.text.strip():
        yield f"there are lines under Unreleased: move them to the section of {version}"
    if not released or released[0].version != version:
        newest = released[0].version if released else "none"
        yield f"the newest section is {newest}: write `## {version} - {today}`"
        return
    if released[0].date != str(today):
        yield f"{version} is dated {released[0].date or 'nowhere'}, and today is {today}: date it on the day of its tag"
    if len(released) > 1 and not _number(version) > _number(released[1].version):
        yield f"{version} is not greater than {released[1].version}, which is released"


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def missing_notes(upgrades: str, version: str, migrations: Iterable[str]) -> Iterator[str]:
    """What the page of upgrades does not tell an operator: the version, and migrations by their numbers."""
    if not re.search(rf"^### {re.escape(version)}$", upgrades, re.MULTILINE):
        yield f"no section `### {version}`: say what it asks of an operator, or that it asks nothing"
    for number in sorted(migrations):
        if not re.search(rf"^\| {number} \|", upgrades, re.MULTILINE):
            yield f"migration {number} has no row: say what waits while it runs, and what to do before"


def migrations(root: Path) -> list[str]:
    """The numbers of all migrations."""
    return sorted(file.name[:4] for file in (root / MIGRATIONS).glob("[0-9]*.py"))


def checks(root: Path, version: str, today: date) -> Iterator[Check]:
    """Everything that takes a moment."""
    yield Check(
        f"shared/version.py says {version}", None if version == VERSION else f"it says {VERSION}: write {version} there"
    )
    told = changelog_faults((root / CHANGELOG).read_text(), version, today)
    yield Check(f"{CHANGELOG} has {version}, dated today, and nothing left under Unreleased", _joined(told))
    noted = missing_notes((root / UPGRADES).read_text(), version, migrations(root))
    yield Check(f"{UPGRADES} has {version} and every migration", _joined(noted))
    changed = _git(root, "status", "--porcelain").splitlines()
    yield Check("the tree is clean", f"{len(changed)} files differ from the commit: git status" if changed else None)
    tagged = _git(root, "tag", "--list", f"v{version}").strip()
    yield Check(f"there is no tag v{version} yet", "it is released: choose the next version" if tagged else None)


def _joined(faults: Iterable[str]) -> str | None:
    return "; ".join(faults) or None


def _git(root: Path, *arguments: str) -> str:
    """What git says; its own words go to the terminal when it fails."""
    return subprocess.run(  # noqa: S603 - ours
        ["git", *arguments],  # noqa: S607 - git is where the PATH says
        cwd=root,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


SLOW: tuple[tuple[str, Sequence[str]], ...] = (
    ("who must repeat the version says the same", (sys.executable, "-m", "pytest", "-q", "tests/unit/deploy")),
    ("./run check passes", ("./run", "check")),
)


def main(arguments: Sequence[str]) -> int:
    """Tell what holds; returns the exit code."""
    version = arguments[0] if arguments else VERSION
    if len(arguments) > 1 or not re.fullmatch(r"\d+\.\d+\.\d+", version):
        sys.stderr.write("carillon: ./run release [VERSION], and a version is three numbers, such as 0.2.0\n")
        return 2
    failed = False
    for check in checks(REPOSITORY, version, datetime.now(UTC).astimezone().date()):
        failed |= check.fault is not None
        _say(check)
    for what, command in SLOW:
        if failed:
            _say(Check(what, "not tried: mend what is above first"))
            continue
        done = subprocess.run(command, cwd=REPOSITORY, check=False)  # noqa: S603 - ours
        failed |= done.returncode != 0
        _say(Check(what, "see its words above" if done.returncode else None))
    sys.stdout.write(BY_HAND.format(version=version))
    return int(failed)


def _say(check: Check) -> None:
    sys.stdout.write(
        f"holds    {check.what}\n" if check.fault is None else f"NOT YET  {check.what}\n         {check.fault}\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
