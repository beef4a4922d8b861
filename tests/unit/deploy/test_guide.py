"""The pages for strangers and operators lead nowhere that is not there."""

import re
from pathlib import Path

import pytest

from deploy.local.folders import REPOSITORY

PAGES = [
    *sorted((REPOSITORY / "docs" / "operator-guide").glob("*.md")),
    REPOSITORY / "docs" / "architecture.md",
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
]
INDEX = REPOSITORY / "docs" / "operator-guide" / "README.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_to_files(page: Path) -> None:
    """Also the paths of the repository that are named in passing."""
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), target
    for target in re.findall(r"`((?:deploy|shared|services|tests)/[\w./-]+)`", text):
        assert (REPOSITORY / target).exists(), target


def test_every_page_is_in_the_index() -> None:
    """A page that nobody finds is not written."""
    text = INDEX.read_text()
    for page in INDEX.parent.glob("*.md"):
        assert page == INDEX or f"({page.name})" in text
