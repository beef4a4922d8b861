"""Data folders and their locks."""

from pathlib import Path

import pytest

from deploy.local import folders
from deploy.local.errors import FolderInUseError


@pytest.fixture(autouse=True)
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the checkout's own data out of it."""
    monkeypatch.setattr(folders, "LOCAL", tmp_path)
    return tmp_path


def test_a_kept_folder_is_there_the_next_time() -> None:
    """That is what it is kept for."""
    with folders.kept("up") as first:
        (first / "data").touch()
    with folders.kept("up") as second:
        assert (second / "data").exists()


def test_a_folder_belongs_to_one_stack_at_a_time() -> None:
    """The error names who holds it, and what to do."""
    with folders.kept("up"), pytest.raises(FolderInUseError, match="--name"), folders.kept("up"):
        pass


def test_a_fresh_folder_leaves_nothing(local: Path) -> None:
    """Two at once are two."""
    with folders.fresh("demo") as first, folders.fresh("demo") as second:
        assert first != second
    assert list(local.iterdir()) == []


def test_an_error_leaves_the_logs_of_a_fresh_folder(local: Path) -> None:
    """Somebody will want to read them."""

    def fail() -> None:
        with folders.fresh("demo") as folder:
            (folder / "api.log").write_text("why")
            raise ValueError("the demo failed")

    with pytest.raises(ValueError, match="the demo failed"):
        fail()
    assert [path.name for path in local.glob("demo-*/api.log")] == ["api.log"]


def test_an_interrupted_run_leaves_nothing(local: Path) -> None:
    """Ctrl-C is not a fault to look into."""

    def interrupt() -> None:
        with folders.fresh("demo"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert list(local.iterdir()) == []
