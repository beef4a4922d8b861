"""The picture of the first screen: current, whole, and readable on light and dark pages."""

import re
from xml.etree import ElementTree as ET

import pytest

from deploy.local.folders import REPOSITORY
from shared.ledger import letters
from shared.ledger.states import BATCH_STATES
from tests.support.picture import BOXES, FOLDER, HEIGHT, LETTERS, PICTURES, ROWS, WIDTH, Colours, drawn

READABLE = 4.5
"""The contrast of text that the accessibility guidelines of the web (WCAG 2, AA) ask for."""


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_current_and_well_formed(name: str) -> None:
    """Write it anew with `python -m tests.support.picture`."""
    text = (FOLDER / name).read_text()
    assert text == drawn(PICTURES[name])
    assert ET.fromstring(text).get("role") == "img"  # noqa: S314 - ours


def test_the_readme_shows_both() -> None:
    """By the colours that the reader prefers."""
    readme = (REPOSITORY / "README.md").read_text()
    shown = re.findall(r'(?:src|srcset)="([^"]+)"', readme)
    assert sorted(shown) == sorted(f"docs/pictures/{name}" for name in PICTURES)


def test_its_words_are_the_codes() -> None:
    """Letters and states; queues come from the topology by themselves."""
    assert {letter for letter, _ in LETTERS} <= set(letters.ORDER)
    for _, drawn_letters, state in ROWS:
        assert set(drawn_letters) <= {letter for letter, _ in LETTERS}
        assert state in BATCH_STATES


def test_no_box_leaves_the_picture() -> None:
    """With its line."""
    for box in BOXES:
        assert box.x >= 1
        assert box.x + box.width <= WIDTH - 1
        assert 1 <= box.y <= HEIGHT - box.height - 1


@pytest.mark.parametrize("colours", PICTURES.values(), ids=PICTURES)
def test_text_is_readable_on_what_is_behind_it(colours: Colours) -> None:
    """On boxes, on letters, and on the page."""
    page = "#ffffff" if colours["text"] < "#8" else "#0d1117"
    behind = {name: colour for name, colour in colours.items() if name.endswith(" fill") or len(name) == 1}
    for name, colour in {**behind, "page": page}.items():
        assert contrast(colours["text"], colour) >= READABLE, name
        if len(name) > 1:
            assert contrast(colours["muted"], colour) >= READABLE, name


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it: 1 for the same colour, 21 for black on white."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """Of `#rrggbb`, from 0 to 1."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
