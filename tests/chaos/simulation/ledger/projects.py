"""A project's row: the statements of `shared.ledger.projects`."""

import json
from typing import Any

from services.sender.store import HINDERED
from shared.ledger import projects
from tests.chaos.simulation.ledger.memory import Transaction, Values, does
from tests.chaos.simulation.ledger.rows import Project


def _change(tx: Transaction, values: Values, **changed: Any) -> list[Project]:
    project = tx.tables.projects[values["project"]]
    return [tx.put(tx.tables.projects, project.id, project.but(**changed))]


@does(projects.LOCK)
def _lock(tx: Transaction, values: Values) -> list[Project]:
    project = tx.tables.projects.get(values["project"])
    return [] if project is None else [project.but(now=tx.now)]


@does(projects.BOOK)
def _book(tx: Transaction, values: Values) -> list[Project]:
    project, minute = tx.tables.projects[values["project"]], values["minute"]
    before = {project.booked_minute: project.booked_before, project.booked_minute + 1: project.booked_now}
    return _change(
        tx,
        values,
        tat=values["tat"],
        tat_high=values["high"],
        tat_normal=values["normal"],
        tat_low=values["low"],
        ramp_from=values["ramp_from"],
        circuit_probe_at=values["probe_at"],
        stopped_platforms=json.loads(values["platforms"]),
        booked_before=before.get(minute, 0),
        booked_now=values["messages"] + (project.booked_now if minute == project.booked_minute else 0),
        booked_minute=minute,
    )


@does(projects.PAUSE)
def _pause(tx: Transaction, values: Values) -> list[Project]:
    before = tx.tables.projects[values["project"]].paused_until
    return _change(tx, values, paused_until=max(before, values["until"]))


@does(projects.CUT)
def _cut(tx: Transaction, values: Values) -> list[Project]:
    return _change(tx, values, cut_rate=values["cut_rate"], cut_at=values["cut_at"])


@does(projects.SET_CIRCUIT)
def _set_circuit(tx: Transaction, values: Values) -> list[Project]:
    return _change(
        tx,
        values,
        circuit_reason=values["reason"],
        circuit_probe_at=values["probe_at"],
        circuit_failures=values["failures"],
    )


@does(projects.SET_PLATFORMS)
def _set_platforms(tx: Transaction, values: Values) -> list[Project]:
    return _change(tx, values, stopped_platforms=json.loads(values["platforms"]))


@does(projects.NOTE)
def _note(tx: Transaction, values: Values) -> list[Project]:
    return _change(tx, values, last_error=values["error"], last_error_at=tx.now)


@does(projects.RESET)
def _reset(tx: Transaction, values: Values) -> list[Project]:
    row = tx.tables.projects[values["project"]]
    bent = row.circuit_reason is not None or row.stopped_platforms or row.cut_rate is not None
    if not bent and row.paused_until <= tx.now:
        return []
    return _change(
        tx,
        values,
        circuit_reason=None,
        circuit_probe_at=0.0,
        circuit_failures=0,
        stopped_platforms={},
        paused_until=0.0,
        cut_rate=None,
        cut_at=0.0,
    )


@does(HINDERED)
def _hindered(tx: Transaction, _: Values) -> list[Any]:
    return [
        _Hindered(row.but(now=tx.now))
        for _, row in sorted(tx.tables.projects.items())
        if row.circuit_reason is not None or row.stopped_platforms or row.paused_until > tx.now
    ]


class _Hindered:
    def __init__(self, row: Project) -> None:
        self.id, self.circuit_reason, self.stopped_platforms = row.id, row.circuit_reason, row.stopped_platforms
        self.pause = row.paused_until - row.now
