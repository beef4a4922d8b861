"""A project's row: its quota's clocks, its throttle, its circuit, and the platforms that FCM refuses.

A claim takes its turn here, in its own transaction and last of its locks; what FCM says about the project, the
platform or the campaign as a whole is written here too, so that it holds for every sender at once.
"""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row

from shared.contracts.messages import MAX_BATCH
from shared.db import Writer
from shared.ledger import circuit, quota, throttle
from shared.ledger.times import Times
from shared.topology import Lane

LOCK = text("""
    select rate, tat, tat_high, tat_normal, tat_low, paused_until, ramp_from, cut_rate, cut_at,
           circuit_reason, circuit_probe_at, circuit_failures, stopped_platforms,
           extract(epoch from clock_timestamp())::float8 as now
      from project where id = :project for no key update
""")
BOOK = text("""
    update project
       set tat = :tat, tat_high = :high, tat_normal = :normal, tat_low = :low, ramp_from = :ramp_from,
           circuit_probe_at = :probe_at, stopped_platforms = cast(:platforms as jsonb),
           booked_before = case cast(:minute as bigint) when booked_minute then booked_before
                                when booked_minute + 1 then booked_now else 0 end,
           booked_now = case cast(:minute as bigint) when booked_minute then booked_now else 0 end + :messages,
           booked_minute = :minute
     where id = :project
""")
PAUSE = text("update project set paused_until = greatest(paused_until, :until) where id = :project")
CUT = text("update project set cut_rate = :cut_rate, cut_at = :cut_at where id = :project")
SET_CIRCUIT = text("""
    update project set circuit_reason = :reason, circuit_probe_at = :probe_at, circuit_failures = :failures
     where id = :project
""")
NOTE = text("""
    update project set last_error = :error, last_error_at = extract(epoch from clock_timestamp()) where id = :project
""")
RESET = text("""
    update project
       set circuit_reason = null, circuit_probe_at = 0, circuit_failures = 0, stopped_platforms = '{}',
           paused_until = 0, cut_rate = null, cut_at = 0
     where id = :project
       and (circuit_reason is not null or stopped_platforms <> '{}' or cut_rate is not null
            or paused_until > extract(epoch from clock_timestamp()))
""")
SET_PLATFORMS = text("update project set stopped_platforms = cast(:platforms as jsonb) where id = :project")


BOOKED = 0.995
"""Share of the quota that is booked: FCM counts arrivals, and messages that network and clocks bring closer together
must not exceed it."""
LATE = 0.1
"""Seconds that a batch may start after its place in the quota: a claim's round trip to PostgreSQL, with a margin."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Go: start `messages`, `wait` seconds after `now`, at `rate` messages a second.

    `probe`: one message only. `blocked`: platforms that stay where they are. `probing`: platforms that get one message.
    """

    now: float
    wait: float
    messages: int
    rate: float
    probe: bool
    blocked: frozenset[str]
    probing: frozenset[str]


@dataclass(frozen=True, slots=True)
class Wait:
    """Not before `seconds` from now.

    `stopped`: for the project's circuit or pause, not for the quota's next turn. `own`: for the campaign's own rate.
    """

    seconds: float
    stopped: bool = False
    own: bool = False


async def take_turn(
    tx: Writer, project: str, *, lane: Lane, messages: int, times: Times, own_wait: float = 0.0
) -> Turn | Wait:
    """Book up to `messages` of a lane, as many as a lease has time for, or a probe's one; a denial writes nothing.

    `own_wait`: seconds before which the campaign's own rate lets nothing start. A batch that would start that much
    later than its place in the quota would add to what others book in between, so it has to ask again.
    """
    row = await _lock(tx, project)
    gate = circuit.admit(_circuit(row), now=row.now, interval=times.probe)
    if isinstance(gate, circuit.Blocked):
        return Wait(gate.wait, stopped=True)
    bent = throttle.after_rest(_throttle(row), last=row.tat, now=row.now)
    rate = BOOKED * throttle.rate_in_force(bent, now=row.now, ramp=times.ramp)
    most = times.fits(rate)
    clocks = quota.Clocks(
        rate=rate,
        longest=min(MAX_BATCH, most),
        tat=row.tat,
        lanes={Lane.HIGH: row.tat_high, Lane.NORMAL: row.tat_normal, Lane.LOW: row.tat_low},
        paused_until=row.paused_until,
    )
    booking = 1 if gate.probe else min(messages, most)
    booked = quota.book(clocks, now=row.now, lane=lane, messages=booking)
    if isinstance(booked, quota.Denied):
        return Wait(booked.wait, stopped=row.paused_until > row.now)
    if own_wait - booked.wait > LATE:
        return Wait(own_wait - booked.wait - LATE, own=True)
    probing = frozenset(name for name, entry in row.stopped_platforms.items() if row.now >= entry["probe_at"])
    platforms = {
        name: {**entry, "probe_at": row.now + times.probe} if name in probing else entry
        for name, entry in row.stopped_platforms.items()
    }
    await tx.run(
        BOOK,
        {
            "project": project,
            "tat": booked.clocks.tat,
            **{str(name): tat for name, tat in booked.clocks.lanes.items()},
            "ramp_from": bent.ramp_from,
            "probe_at": gate.circuit.probe_at,
            "platforms": json.dumps(platforms),
            "minute": int(row.now // 60),
            "messages": booking,
        },
    )
    return Turn(
        now=row.now,
        wait=booked.wait,
        messages=booking,
        rate=rate,
        probe=gate.probe,
        blocked=frozenset(platforms) - probing,
        probing=probing,
    )


async def on_quota_exceeded(tx: Writer, project: str, *, wait: float, times: Times) -> None:
    """FCM said that the quota is used up: nothing starts for `wait` seconds, and the rate is cut."""
    row = await _lock(tx, project)
    lowered = throttle.cut(_throttle(row), now=row.now, ramp=times.ramp)
    await tx.run(PAUSE, {"project": project, "until": row.now + wait})
    await tx.run(CUT, {"project": project, "cut_rate": lowered.cut_rate, "cut_at": lowered.cut_at})
    await _note(tx, project, f"FCM's quota is used up: nothing starts for {wait:.0f} s, and the rate is cut")


async def open_circuit(tx: Writer, project: str, reason: str, *, probe: bool, times: Times) -> bool:
    """Stop the project until a probe succeeds; True when it was closed before."""
    row = await _lock(tx, project)
    before = _circuit(row)
    after = circuit.opened(before, reason, now=row.now, interval=times.probe, probe=probe)
    if after != before:
        await _write_circuit(tx, project, after)
        await _note(tx, project, reason)
    return before.closed


async def close_circuit(tx: Writer, project: str) -> bool:
    """Let the project's messages flow again; True when it was open."""
    row = await _lock(tx, project)
    if _circuit(row).closed:
        return False
    await _write_circuit(tx, project, circuit.Circuit())
    return True


async def reset(tx: Writer, project: str) -> bool:
    """Forget circuit, stopped platforms, pause and cut: an operator says that it is repaired. True when one was set."""
    await _lock(tx, project)
    return await tx.run(RESET, {"project": project}) > 0


async def stop_platform(tx: Writer, project: str, platform: str, reason: str, *, times: Times) -> bool:
    """Hold the platform's devices back until a probe of it succeeds; True when it was not stopped before."""
    row = await _lock(tx, project)
    stopped: dict[str, Any] = row.stopped_platforms
    known = platform in stopped
    until = row.now + times.probe
    held = {
        **stopped,
        platform: {"reason": reason, "probe_at": max(until, stopped.get(platform, {}).get("probe_at", 0))},
    }
    await tx.run(SET_PLATFORMS, {"project": project, "platforms": json.dumps(held)})
    await _note(tx, project, f"{platform}: {reason}")
    return not known


async def release_platforms(tx: Writer, project: str, platforms: frozenset[str]) -> bool:
    """Let these platforms' devices be sent to again; True when one of them was stopped."""
    row = await _lock(tx, project)
    left = {name: entry for name, entry in row.stopped_platforms.items() if name not in platforms}
    if len(left) == len(row.stopped_platforms):
        return False
    await tx.run(SET_PLATFORMS, {"project": project, "platforms": json.dumps(left)})
    return True


async def _lock(tx: Writer, project: str) -> Row[Any]:
    row = await tx.first(LOCK, {"project": project})
    assert row is not None  # noqa: S101 - batches and devices reference their project
    return row


async def _note(tx: Writer, project: str, error: str) -> None:
    """Store the last error for people; it stays when the error is over."""
    await tx.run(NOTE, {"project": project, "error": error[:500]})


async def _write_circuit(tx: Writer, project: str, after: circuit.Circuit) -> None:
    await tx.run(
        SET_CIRCUIT,
        {"project": project, "reason": after.reason, "probe_at": after.probe_at, "failures": after.failures},
    )


def _circuit(row: Row[Any]) -> circuit.Circuit:
    return circuit.Circuit(row.circuit_reason, row.circuit_probe_at, row.circuit_failures)


def _throttle(row: Row[Any]) -> throttle.Throttle:
    return throttle.Throttle(row.rate, row.ramp_from, row.cut_rate, row.cut_at)
