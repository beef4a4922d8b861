"""Figures of a benchmark, for people or for scripts."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def cpu_per_message(before: Mapping[str, float], after: Mapping[str, float], messages: int) -> dict[str, float]:
    """Microseconds of CPU a message by process, and their sum as `total`."""
    used = {name: round((after[name] - before.get(name, 0.0)) / messages * 1e6, 1) for name in after}
    return {**used, "total": round(sum(used.values()), 1)}


def report(title: str, figures: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the figures: a table for people, one JSON line for scripts."""
    if as_json:
        sys.stdout.write(json.dumps(figures) + "\n")
        return
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in figures.items():
        if isinstance(value, Mapping):
            for key, part in value.items():
                table.add_row(f"{name}: {key}", _said(part))
        else:
            table.add_row(name, _said(value))
    Console().print(table)


def _said(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
