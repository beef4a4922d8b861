"""Figures of a benchmark, for people or for scripts, and whether they are what was to be reached."""

import json
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table


def cpu_per_message(before: Mapping[str, float], after: Mapping[str, float], messages: int) -> dict[str, float]:
    """Microseconds of CPU a message by process, and their sum as `total`."""
    used = {name: round((after[name] - before.get(name, 0.0)) / messages * 1e6, 1) for name in after}
    return {**used, "total": round(sum(used.values()), 1)}


def cpu(before: Mapping[str, float], after: Mapping[str, float], messages: int) -> dict[str, dict[str, float]]:
    """CPU by process: the seconds that were used, and the microseconds a message."""
    seconds = {name: round(after[name] - before.get(name, 0.0), 2) for name in after}
    return {"cpu_seconds": seconds, "cpu_us_per_message": cpu_per_message(before, after, messages)}


def conclude(title: str, figures: Mapping[str, Any], targets: Mapping[str, bool], *, as_json: bool) -> NoReturn:
    """Print the figures with the targets that were missed, and exit: 1 when there are any."""
    missed = [name for name, reached in targets.items() if not reached]
    report(title, {**figures, "missed": missed}, as_json=as_json)
    for name in missed:
        sys.stderr.write(f"carillon: missed: {name}\n")
    sys.exit(1 if missed else 0)


def report(title: str, figures: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the figures: a table for people, one JSON line for scripts."""
    if as_json:
        sys.stdout.write(json.dumps(figures) + "\n")
        sys.stdout.flush()
        return
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in _rows("", figures):
        table.add_row(name, _said(value))
    Console().print(table)


def _rows(prefix: str, figures: Mapping[str, Any]) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for name, value in figures.items():
        if isinstance(value, Mapping):
            rows += _rows(f"{prefix}{name}: ", value)
        else:
            rows.append((f"{prefix}{name}", value))
    return rows


def _said(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(part) for part in value) or "none"
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
