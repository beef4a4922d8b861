"""Every expression is PromQL, reads what exists, and every alert has its page in the manual."""

import json
from typing import Any

import pytest
import yaml

from deploy.local.folders import REPOSITORY
from tests.unit.deploy.watching.expressions import FROM_PROMETHEUS, FROM_THE_BROKER, SCRAPED, selected, vocabulary

RULES = yaml.safe_load((REPOSITORY / "deploy/prometheus/rules/carillon.yaml").read_text())
DASHBOARD = json.loads((REPOSITORY / "deploy/grafana/dashboards/carillon.json").read_text())
MANUAL = (REPOSITORY / "docs/operator-guide/alerts.md").read_text()

ALL_RULES: list[dict[str, Any]] = [rule for group in RULES["groups"] for rule in group["rules"]]
ALERTS = [rule for rule in ALL_RULES if "alert" in rule]
RECORDED = {rule["record"]: {"project", "letter", "code"} for rule in ALL_RULES if "record" in rule}
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [rule["expr"] for rule in ALL_RULES] + [target["expr"] for panel in PANELS for target in panel["targets"]]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_reads_only_metrics_and_labels_that_exist(expression: str) -> None:
    """A renamed metric must not leave an alert that never fires."""
    known = {**vocabulary(), **FROM_THE_BROKER, **FROM_PROMETHEUS, **RECORDED}
    found = selected(expression)
    assert found
    for name, labels in found:
        assert name in known, f"nobody exports {name}"
        assert labels <= known[name] | SCRAPED, f"{name} has no label {labels - known[name]}"


def test_expressions_are_taken_apart_to_the_last_metric() -> None:
    """Through functions, aggregations, ranges and operators; the check above is worth no more than this."""
    expression = (
        """histogram_quantile(0.9, sum by (le) (rate(a_bucket{x="1"}[5m]))) / (max(b{y=~"2"}) > 0) or -absent(c)"""
    )
    assert selected(expression) == {
        ("a_bucket", frozenset({"x"})),
        ("b", frozenset({"y"})),
        ("c", frozenset()),
    }


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_has_its_page_in_the_manual(alert: dict[str, Any]) -> None:
    """What it means and what to do, under its own name."""
    name = alert["alert"]
    assert alert["annotations"]["runbook"] == f"docs/operator-guide/alerts.md#{name.lower()}"
    assert f"\n## {name}\n" in MANUAL
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"]["summary"]


def test_the_manual_has_no_page_of_an_alert_that_is_gone() -> None:
    """Nor of one that never was."""
    pages = {line.removeprefix("## ") for line in MANUAL.splitlines() if line.startswith("## Carillon")}
    assert pages == {alert["alert"] for alert in ALERTS}


def test_panels_have_titles_numbers_and_places_of_their_own() -> None:
    """Grafana would silently draw one over another."""
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["title"] for panel in panels}) == len(panels)
