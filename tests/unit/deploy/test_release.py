"""`./run release`: what it finds wrong, in words that say what to do."""

import subprocess
from datetime import date
from pathlib import Path

import pytest

from deploy import release
from deploy.local.folders import REPOSITORY
from deploy.release import changelog_faults, checks, main, migrations, missing_notes, sections
from shared.version import VERSION

TODAY = date(2027, 3, 1)
GOOD = "# Changelog\n\n## Unreleased\n\n## 0.2.0 - 2027-03-01\n\n- New.\n\n## 0.1.0 - 2026-11-30\n\n- First.\n"
PAGE = "# Upgrades\n\n### 0.2.0\n\n| 0001 | nothing |\n| 0002 | waits |\n"


def test_a_changelog_is_read_by_its_sections() -> None:
    """Version, date and what is told of it."""
    assert [(it.version, it.date, it.text.strip()) for it in sections(GOOD)] == [
        ("Unreleased", "", ""),
        ("0.2.0", "2027-03-01", "- New."),
        ("0.1.0", "2026-11-30", "- First."),
    ]


def test_a_changelog_that_is_ready_has_no_fault() -> None:
    """Nothing under Unreleased, the version on top, dated today."""
    assert list(changelog_faults(GOOD, "0.2.0", TODAY)) == []


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("## Unreleased\n\n", "## Unreleased\n\n- Later.\n\n", "move them to the section of 0.2.0"),
        ("## Unreleased\n\n", "", "the first section should be `## Unreleased`"),
        ("2027-03-01", "2027-02-28", "dated 2027-02-28, and today is 2027-03-01"),
        (" - 2027-03-01", "", "dated nowhere"),
        ("## 0.1.0", "## 0.10.0", "0.2.0 is not greater than 0.10.0"),
        ("## 0.2.0 - 2027-03-01\n\n- New.\n\n", "", "the newest section is 0.1.0: write `## 0.2.0 - 2027-03-01`"),
        (GOOD, "", "the newest section is none"),
    ],
)
def test_each_fault_of_a_changelog_says_what_to_do(before: str, after: str, fault: str) -> None:
    """One sentence each."""
    assert any(fault in told for told in changelog_faults(GOOD.replace(before, after), "0.2.0", TODAY))


def test_a_version_and_a_migration_without_a_note_are_named() -> None:
    """An operator reads that page, and no code."""
    assert list(missing_notes(PAGE, "0.2.0", ["0001", "0002"])) == []
    told = list(missing_notes(PAGE, "0.3.0", ["0003", "0001"]))
    assert [fault.partition(":")[0] for fault in told] == ["no section `### 0.3.0`", "migration 0003 has no row"]


def test_every_migration_and_this_version_have_a_note() -> None:
    """Also between releases: who writes a migration knows best what it asks for."""
    assert len(migrations(REPOSITORY)) >= 6
    page = (REPOSITORY / release.UPGRADES).read_text()
    assert list(missing_notes(page, VERSION, migrations(REPOSITORY))) == []


def test_the_changelog_has_this_version() -> None:
    """Dated, below what is unreleased."""
    unreleased, newest, *_ = sections((REPOSITORY / release.CHANGELOG).read_text())
    assert unreleased.version == "Unreleased"
    assert newest.version == VERSION
    assert str(date.fromisoformat(newest.date)) == newest.date


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository that is ready to be released as this version, but for its commit."""
    for path, text in {
        release.CHANGELOG: f"## Unreleased\n\n## {VERSION} - {TODAY}\n\n- All.\n",
        release.UPGRADES: f"### {VERSION}\n\n| 0001 | nothing |\n",
        f"{release.MIGRATIONS}/0001_ledger.py": "",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    git(tmp_path, "init", "--quiet")
    return tmp_path


def git(root: Path, *arguments: str) -> None:
    """Run git with a name of its own."""
    who = ("-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *arguments], cwd=root, check=True)  # noqa: S603, S607 - ours


def faults(root: Path, version: str = VERSION) -> list[str]:
    """What is wrong with a repository."""
    return [check.fault for check in checks(root, version, TODAY) if check.fault]


def test_a_clean_tree_without_the_tag_is_wanted(repository: Path) -> None:
    """What is tagged is what was tested, and once."""
    (dirty,) = faults(repository)
    assert dirty.endswith("files differ from the commit: git status")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "all")
    assert faults(repository) == []
    git(repository, "tag", f"v{VERSION}")
    assert faults(repository) == ["it is released: choose the next version"]


def test_another_version_than_the_modules_is_told(repository: Path) -> None:
    """With what has to be written where."""
    assert f"it says {VERSION}: write 9.0.0 there" in faults(repository, "9.0.0")


@pytest.mark.parametrize("arguments", [["soon"], ["0.2"], ["0.2.0", "now"]])
def test_what_is_no_version_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is looked at."""
    assert main(arguments) == 2
    assert "three numbers" in capsys.readouterr().err


def test_what_takes_minutes_is_not_tried_on_what_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """And the list for people is told all the same."""
    assert main(["9.9.9"]) == 1
    told = capsys.readouterr().out
    assert "NOT YET  shared/version.py says 9.9.9" in told
    assert told.count("not tried") == 2
    assert "git tag --annotate v9.9.9" in told


def test_what_holds_is_told_and_ends_with_0(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """The slow ones are run, and one that fails fails the whole."""
    monkeypatch.setattr(release, "checks", lambda *_: iter([release.Check("all", None)]))
    monkeypatch.setattr(release, "SLOW", (("slow", ("true",)),))
    assert main([]) == 0
    monkeypatch.setattr(release, "SLOW", (("slow", ("false",)),))
    assert main([]) == 1
    assert "NOT YET  slow" in capfd.readouterr().out
