"""Bad days at FCM, those of the rehearsals: while a fault lasts, the emulator follows that day's script."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from tests.chaos.faults import Act, Aimed, Fault
from tests.chaos.stage import SHARES, Stage
from tests.rehearsals.day import Day
from tests.rehearsals.days import DAYS

LEFT_OUT = {
    "half_the_tokens_dead": "it kills tokens for good, and the audience with them; some are dead from the start",
    "payload_refused": "it refuses tokens for good, and a fault must leave no trace",
    "one_project_of_two": "there is one project",
    "apns_key_wrong": "its platforms are looked at again after a minute",
}
ASKED = 2
"""Seconds of every Retry-After here, in place of FCM's minute or the rehearsal's year."""
QUICK = "lognormal:800ms:0.5"
"""In place of answers that take seconds: a lease is a tenth of production's."""


def script_of(day: Day) -> dict[str, Any]:
    """The day's script beside the tokens that are dead on any day."""
    script = dict(day.script)
    room = 1.0 - sum(SHARES.values())
    shares: Mapping[str, float] = script.get("shares", {})
    script["shares"] = {**SHARES, **{answer: share * room for answer, share in shares.items()}}
    if "quota" in script or "retry_after" in script:
        script["retry_after"] = ASKED
    if "latency" in script and "2000ms" in script["latency"]:
        script["latency"] = QUICK
    return script


def bad_day(day: Day) -> Act:
    """Play it, then make FCM healthy."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncGenerator[str]:
        await stage.follow(script_of(day))
        if day.strike == "revoke":
            await stage.fcm.revoke()
        try:
            yield ""
        finally:
            await stage.follow({"shares": SHARES})

    return act


def _fault(day: Day) -> Fault:
    def aim(rng: Random) -> Aimed:
        return Aimed("emulator", frozenset({"emulator"}), rng.uniform(2.0, 8.0), bad_day(day))

    return Fault(f"FCM {day.name}", aim)


FAULTS = tuple(_fault(day) for day in DAYS if day.name not in LEFT_OUT)
