"""The failure table says nothing that the product does not: every name and sentence in it is looked for."""

import re
from pathlib import Path

import pytest

from deploy.local.folders import REPOSITORY
from shared.observability import metrics
from tests.rehearsals.days import DAYS

PAGE = REPOSITORY / "docs" / "failures.md"
TEXT = PAGE.read_text()
ALERTS = (REPOSITORY / "deploy" / "prometheus" / "rules" / "carillon.yaml").read_text()
SETTINGS = (REPOSITORY / "docs" / "operator-guide" / "settings.md").read_text()


def source(*folders: str) -> str:
    """All of their Python, with strings over several lines joined as Python joins them."""
    text = "\n".join(path.read_text() for folder in folders for path in sorted((REPOSITORY / folder).rglob("*.py")))
    return re.sub(r'"\s*\n\s*f?"', "", text)


SOURCE = source("services", "shared")


@pytest.mark.parametrize("alert", sorted(set(re.findall(r"`(Carillon\w+)`", TEXT))))
def test_every_alert_is_a_rule(alert: str) -> None:
    """Under this name."""
    assert f"- alert: {alert}\n" in ALERTS


@pytest.mark.parametrize("event", sorted(set(re.findall(r"`([a-z]+\.[a-z_]+)`", TEXT))))
def test_every_log_event_is_written_somewhere(event: str) -> None:
    """By a service or what they share."""
    assert f'"{event}"' in SOURCE


@pytest.mark.parametrize("name", sorted(set(re.findall(r"[Ee]vent `(\w+)`", TEXT))))
def test_every_event_is_told_to_subscribers(name: str) -> None:
    """Of a campaign or a project."""
    assert re.search(rf'record_(project_)?event\([^)]*"{name}"', SOURCE)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(carillon_\w+?)`", TEXT))))
def test_every_metric_is_known(name: str) -> None:
    """Prometheus adds `_total` to a counter."""
    known = {value._name for value in vars(metrics).values() if hasattr(value, "_name")}
    assert name.removesuffix("_total") in known


@pytest.mark.parametrize("sentence", sorted(set(re.findall(r"“([^”]+)”", TEXT))))
def test_every_sentence_is_the_products_own(sentence: str) -> None:
    """Piece by piece between the figures."""
    for piece in sentence.split("…"):
        assert piece.strip() in SOURCE, piece


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([\w/]+\.py(?:::\w+)?)`", TEXT))))
def test_every_test_is_there(name: str) -> None:
    """Under this path and name."""
    path, _, function = name.partition("::")
    file = REPOSITORY / "tests" / path
    assert file.is_file()
    assert not function or re.search(rf"^(async )?def {function}\(", file.read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`rehearse (\w+)`", TEXT))))
def test_every_day_can_be_rehearsed(name: str) -> None:
    """By `./run rehearse`."""
    assert name in {day.name for day in DAYS}


def test_every_day_is_in_the_table() -> None:
    """A rehearsal is a promise for a bad day: the table has it."""
    assert {day.name for day in DAYS} <= set(re.findall(r"`rehearse (\w+)`", TEXT))


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(CARILLON_\w+)`", TEXT))))
def test_every_setting_is_in_the_manual(name: str) -> None:
    """With its default."""
    assert f"`{name}`" in SETTINGS


def test_links_lead_to_files() -> None:
    """Of this page."""
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", TEXT):
        assert (Path(PAGE).parent / target).exists(), target
