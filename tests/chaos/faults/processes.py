"""Processes killed, stopped and gone on, asked to end, and every one of a service in turn."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from random import Random

from tests.chaos.faults import Act, Aimed, Fault
from tests.chaos.stage import LEASE, ROLES, Stage

SHORT_STOP = 5.0
LONG_STOP = LEASE + 4.0
"""Seconds: past the lease, its sweep and every timeout of a request."""


def killed(name: str) -> Act:
    """End it with SIGKILL; start it again afterwards."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncGenerator[str]:
        await asyncio.to_thread(stage.process(name).kill)
        try:
            yield ""
        finally:
            await stage.start(name)

    return act


def stalled(name: str) -> Act:
    """Stop it with SIGSTOP and let it go on with SIGCONT, as if no time had passed."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncGenerator[str]:
        process = stage.process(name)
        process.send(signal.SIGSTOP)
        try:
            yield ""
        finally:
            process.send(signal.SIGCONT)

    return act


def restarted(*names: str) -> Act:
    """Ask each in turn to end by SIGTERM, and start it again before the next: a rolling restart."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncGenerator[str]:
        notes = []
        for name in names:
            try:
                notes.append(await stage.stop(name))
            finally:
                await stage.start(name)
        yield "; ".join(note for note in notes if note)

    return act


def _one_of(kind: str, role: str, act: Callable[[str], Act], shortest: float, longest: float) -> Fault:
    def aim(rng: Random) -> Aimed:
        name = rng.choice(ROLES[role])
        return Aimed(name, frozenset({name}), rng.uniform(shortest, longest), act(name))

    return Fault(f"{kind} {role}", aim)


def _all_of(role: str) -> Fault:
    names = ROLES[role]
    return Fault(f"rolling restart {role}", lambda _rng: Aimed(role, frozenset(names), 0.0, restarted(*names)))


FAULTS = (
    *(_one_of("SIGKILL", role, killed, 0.5, 5.0) for role in ROLES),
    *(_one_of("SIGSTOP 5 s", role, stalled, SHORT_STOP, SHORT_STOP) for role in ROLES),
    *(_one_of("SIGSTOP past the lease", role, stalled, LONG_STOP, LONG_STOP) for role in ROLES),
    *(_one_of("SIGTERM", role, restarted, 0.0, 0.0) for role in ROLES),
    *(_all_of(role) for role in ROLES if len(ROLES[role]) > 1),
)
