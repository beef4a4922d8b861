"""Memory: no process grows with what it has been through."""

from tests.chaos.checker.state import State

MOST = {"api": 300, "planner": 250, "sender": 300, "aggregator": 250, "emulator": 600, "rabbitmq": 900}
"""Megabytes by role: about twice what each needs under load."""


def bounded(state: State) -> list[str]:
    """(7) No process held more than its role may."""
    wrong = []
    for name, size in state.memory.items():
        most = MOST[name.partition("-")[0]]
        if size > most * 1_000_000:
            wrong.append(f"{name} held {size / 1e6:.0f} MB, more than {most} MB")
    return wrong
