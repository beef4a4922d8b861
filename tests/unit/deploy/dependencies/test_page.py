"""The page of dependencies is that of `pyproject.toml`, the locks and what is installed."""

from deploy.dependencies.declared import of_project
from deploy.dependencies.locked import pins
from deploy.dependencies.page import GROUPS, IMAGE_LOCK, PAGE, PROJECT, as_markdown


def test_the_page_is_current() -> None:
    """Write it anew with `./run lock`, or `python -m deploy.dependencies page`."""
    assert PAGE.read_text() == as_markdown()


def test_every_group_and_every_package_of_the_image_is_on_it() -> None:
    """No extra without a title, and nothing shipped that is not told."""
    assert set(of_project(PROJECT.read_text())) == set(GROUPS)
    for pin in pins(IMAGE_LOCK.read_text()).values():
        assert f"| {pin.name} | {pin.version} | " in PAGE.read_text()
