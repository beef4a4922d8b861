"""Playing one day: healthy, trouble in the middle, mended; then the books are compared."""

import asyncio
import time
from collections import Counter
from typing import Any

import httpx

from deploy.local.audit import Audit, audit
from tests.flow.system import Audience, System
from tests.rehearsals.day import HEALTHY, NOTEWORTHY, ONCE, Day, Played
from tests.rehearsals.stage import (
    Ear,
    add_project,
    inactive_devices,
    ios_tokens,
    listening,
    project_row,
    readiness_notes,
    record_of,
    register,
    reset_project,
    tokens_granted,
)
from tests.support.eventually import eventually

SECOND = "second"
"""Another FCM project, with a quota and a circuit of its own."""
TRIES = 20
"""Times that the emulator is told to stop its trouble, while that trouble cuts connections."""


async def play(system: System, day: Day) -> Played:
    """Play the day to its end; the project's row and the emulator are as new afterwards."""
    if day.split:
        await add_project(system, SECOND)
    audience = await register(system, day.devices, ("default", SECOND) if day.split else ("default",))
    await reset_project(system, day.rate)
    await system.fcm.follow(dict(HEALTHY))
    await system.fcm.forget()
    began = time.monotonic()
    try:
        async with listening(system.stack.amqp_url) as ear:
            return await _play(system, day, audience, ear, began)
    finally:
        await mend(system)
        await reset_project(system, 10_000.0)


async def _play(system: System, day: Day, audience: Audience, ear: Ear, began: float) -> Played:
    if day.good == 0:
        await _begin_trouble(system, day, audience)
    campaign = await system.send(audience, **day.campaign)
    granted = 0
    if day.good:
        await system.pushed(campaign, day.good)
        granted = await tokens_granted(system)
        await _begin_trouble(system, day, audience)
    notes, early = "", 0
    if day.lasts is not None:
        await asyncio.sleep(day.lasts)
        notes = await readiness_notes(system)
        early = (await system.stats(campaign))["outcomes"]["accepted"]
        await mend(system)
    if day.resume:
        await eventually(lambda: ear.heard["campaign.stopped"], day.within)
        (await system.act(campaign, "resume")).raise_for_status()
    stats = await system.ended(campaign, day.within)
    seconds = time.monotonic() - began
    await mend(system)
    await _heard_the_end(day, ear)
    found = await audit(system.stack.database_url, campaign, record_of(system, f"carillon-{campaign}"))
    project = await project_row(system)
    summary = await system.fcm.summary()
    played = Played(
        letters=found.letters,
        heard=Counter(ear.heard),
        duplicates=found.duplicates,
        answers=summary["by_answer"],
        inactive=await inactive_devices(system, audience.user),
        refreshes=await tokens_granted(system) - granted,
        project=project,
        notes=notes,
        early=early,
        seconds=round(seconds, 1),
    )
    played.faults.extend(judge(day, played, found, stats))
    return played


async def mend(system: System) -> None:
    """Make FCM healthy; the connection that says so may itself be cut by the trouble."""
    for _ in range(TRIES):
        try:
            await system.fcm.follow(dict(HEALTHY))
        except httpx.TransportError:
            continue
        return


async def _begin_trouble(system: System, day: Day, audience: Audience) -> None:
    tokens = dict.fromkeys(ios_tokens(audience), day.ios) if day.ios else {}
    await system.fcm.follow({**day.script, "tokens": tokens}, project=SECOND if day.split else None)
    if day.strike == "revoke":
        await system.fcm.revoke()


async def _heard_the_end(day: Day, ear: Ear) -> None:
    """Events come by the outbox, a moment after the commit that they tell of."""
    wanted = {"campaign.completed": ONCE, **day.events}
    await eventually(lambda: all(ear.heard[name] >= least for name, (least, _) in wanted.items()) or None, within=5.0)


def judge(day: Day, played: Played, found: Audit, stats: dict[str, Any]) -> list[str]:
    """What was not as promised, in sentences."""
    faults = list(found.faults)
    if not stats["balanced"] or stats["outcomes"]["pending"]:
        faults.append(f"the ledger does not balance: {stats['outcomes']}")
    if played.duplicates and not day.duplicates:
        faults.append(f"{played.duplicates} messages were delivered twice")
    for name in NOTEWORTHY:
        least, most = day.events.get(name, ONCE if name == "campaign.completed" else (0, 0))
        if not least <= played.heard[name] <= most:
            faults.append(f"{name} was heard {played.heard[name]} times, not {least} to {most}")
    if played.project["circuit_reason"] is not None:
        faults.append(f"the circuit is still open: {played.project['circuit_reason']}")
    for check in day.checks:
        faults += check(day, played)
    return faults
