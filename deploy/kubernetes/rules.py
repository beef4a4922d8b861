"""The alerts as a custom resource of the Prometheus operator: `python -m deploy.kubernetes.rules` writes it."""

from pathlib import Path

import yaml

FILE = Path(__file__).parent / "monitoring" / "rules.yaml"
RULES = Path(__file__).parents[1] / "prometheus" / "rules" / "carillon.yaml"
HEAD = "# Written by python -m deploy.kubernetes.rules: change deploy/prometheus/rules/carillon.yaml instead.\n"


def as_yaml() -> str:
    """The file's text."""
    resource = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "carillon"},
        "spec": yaml.safe_load(RULES.read_text()),
    }
    return HEAD + "---\n" + yaml.safe_dump(resource, sort_keys=False, width=120)


if __name__ == "__main__":
    FILE.write_text(as_yaml())
