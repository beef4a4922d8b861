"""A process whose clock is wrong by five minutes, by libfaketime (Debian, Ubuntu: the package `faketime`).

It stands between the process and the system's clock: Python, libcurl and OpenSSL all see the wrong time, while
monotonic clocks run on. Where it is not installed the fault is left out, and the verdict says so.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

from tests.chaos.faults import Act, Aimed, Fault
from tests.chaos.stage import AGGREGATORS, PLANNERS, SENDERS, Stage

WRONG_BY = ("+300", "-300")
"""Seconds."""
_PLACES = (
    "/usr/lib/*/faketime/libfaketime.so.1",
    "/usr/lib*/faketime/libfaketime.so.1",
    "/usr/local/lib/faketime/libfaketime.so.1",
)


def library() -> Path | None:
    """Where libfaketime is; None: not here."""
    found = [path for place in _PLACES for path in sorted(Path("/").glob(place.lstrip("/")))]
    return found[0] if found else None


def wrong(name: str, by: str) -> Act:
    """Start the process again with its clock set wrong, and again with the right one."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncGenerator[str]:
        process = stage.process(name)
        right = process.environment
        process.environment = {
            **(right or {}),
            "LD_PRELOAD": str(library()),
            "FAKETIME": by,
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DISABLE_SHM": "1",
        }
        try:
            note = await stage.stop(name)
            await stage.start(name)
            yield "; ".join(part for part in (f"by {by} s", note) if part)
        finally:
            process.environment = right
            await stage.stop(name)
            await stage.start(name)

    return act


def _aim(rng: Random) -> Aimed:
    name, by = rng.choice((*PLANNERS, *SENDERS, *AGGREGATORS)), rng.choice(WRONG_BY)
    return Aimed(name, frozenset({name}), rng.uniform(8.0, 15.0), wrong(name, by))


FAULTS = (Fault("clock wrong by 5 min", _aim),) if library() is not None else ()
LEFT_OUT = () if FAULTS else ("clock wrong by 5 min: libfaketime is not installed (Debian: apt-get install faketime)",)
