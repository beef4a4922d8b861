"""Two versions of a service at once: one of its processes behaves as another version for a while."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from random import Random

from tests.chaos.faults import Act, Aimed, Fault
from tests.chaos.stage import ROLES, Stage

OTHER = "tests.chaos.faults.other_version"


def two_versions(name: str) -> Act:
    """Roll one process over to the other version, and back."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncGenerator[str]:
        process = stage.process(name)
        own = process.command
        python, _, module = own[:3]
        process.command = [python, "-m", OTHER, module]
        try:
            note = await stage.stop(name)
            await stage.start(name)
            yield note
        finally:
            process.command = own
            await stage.stop(name)
            await stage.start(name)

    return act


def _fault(role: str) -> Fault:
    def aim(rng: Random) -> Aimed:
        name = rng.choice(ROLES[role])
        return Aimed(name, frozenset({name}), rng.uniform(6.0, 12.0), two_versions(name))

    return Fault(f"two versions of {role}", aim)


FAULTS = tuple(_fault(role) for role in ROLES)
