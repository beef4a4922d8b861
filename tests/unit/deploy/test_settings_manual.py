"""The page of settings is the code's."""

import ast

from deploy.local.folders import REPOSITORY
from tests.support.settings_manual import PAGE, as_markdown, kinds


def test_the_page_is_current() -> None:
    """Write it anew with `python -m tests.support.settings_manual`."""
    assert PAGE.read_text() == as_markdown()


def test_no_class_of_settings_is_missing() -> None:
    """Found by their bases in the source, so that nothing has to be imported to be found."""
    bases = {"BaseSettings", "Settings"}
    found = {
        node.name
        for folder in ("services", "shared")
        for path in (REPOSITORY / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and bases & {ast.unparse(base) for base in node.bases}
    }
    assert found == {kind.__name__ for kind in kinds()}
