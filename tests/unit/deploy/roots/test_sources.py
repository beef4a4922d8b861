"""The mirror is the one that the machine's own apt sources name."""

from pathlib import Path

import pytest

from deploy.roots.sources import codename_of, mirror_of


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sources.list", "deb http://mirror.test/debian bookworm main contrib\n"),
        (
            "sources.list",
            (
                "# deb http://old.test/debian bookworm main\n"
                "deb-src http://source.test/debian bookworm main\n"
                "deb http://security.test/debian bookworm-security main\n"
                "deb cdrom:[Debian]/ bookworm main\n"
                "deb [arch=amd64 signed-by=/k.gpg] http://mirror.test/debian bookworm main # ours\n"
            ),
        ),
        (
            "sources.list.d/debian.sources",
            (
                "Types: deb\n# a snapshot\nURIs: http://mirror.test/debian\nSuites: bookworm bookworm-updates\n"
                "Components: main\n\nTypes: deb\nURIs: http://security.test/d\nSuites: bookworm-security\n"
            ),
        ),
        (
            "sources.list.d/debian.sources",
            (
                "Enabled: no\nTypes: deb\nURIs: http://off.test/d\nSuites: bookworm\n\n"
                "types: deb-src deb\nuris:\n http://mirror.test/debian\n http://b.test/debian\nsuites:\n bookworm\n"
            ),
        ),
    ],
)
def test_the_mirror_of_the_machines_own_suite_is_found(tmp_path: Path, name: str, text: str) -> None:
    """In one-line and in deb822 format, with comments, options and other repositories between."""
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / name).write_text(text)
    assert mirror_of(tmp_path, "bookworm") == "http://mirror.test/debian"


def test_other_repositories_are_no_mirror(tmp_path: Path) -> None:
    """A vendor's suite whose name holds Debian's, and a file that apt itself would not read."""
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "vendor.list").write_text("deb http://vendor.test/apt tool-bookworm main\n")
    (tmp_path / "sources.list.d" / "old.list.save").write_text("deb http://mirror.test/debian bookworm main\n")
    assert mirror_of(tmp_path, "bookworm") is None


def test_only_debian_has_debians_suites() -> None:
    """What derives from it has a mirror of its own suites."""
    assert codename_of('ID=debian\nVERSION_CODENAME="bookworm"\n') == "bookworm"
    assert codename_of("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n") is None
    assert codename_of("ID=debian\n") is None
