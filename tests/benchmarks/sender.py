"""The sender alone: batches lie ready in the lane, one process sends them; and firebase-admin on the same messages."""

import asyncio
import json as jsonlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import typer

from deploy.local.folders import REPOSITORY
from deploy.local.options import StackOptions
from deploy.local.stack import Stack
from tests.benchmarks.fcm import NULL, Target, Trusted, Where, messages_to
from tests.benchmarks.flow import flow, together
from tests.benchmarks.ground import fill, ledger, queued, send
from tests.benchmarks.report import conclude

SENDER = "sender-1"
CPU_MOST = 70.0
TIMES_FIREBASE = 30
SLOW_LEAST = 9_000
MEMORY_MOST = 250.0
QUICK = ("--share", "UNREGISTERED=0")
"""No dead token makes the next turn's audience smaller."""
SLOW = ("--latency", "fixed:100ms", "--share", "UNREGISTERED=0.01")


def main(
    devices: Annotated[int, typer.Option(min=5_000)] = 300_000,
    firebase: Annotated[int, typer.Option(min=100, help="Messages for firebase-admin.")] = 6_000,
    rounds: Annotated[int, typer.Option(min=1, max=20, help="Turns that the two take.")] = 3,
    fcm: Where = NULL,
    fcm_ca: Trusted = None,
    *,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """CPU a message of one sender, firebase-admin's `send_each_async` beside it, and the rate at 100 ms of latency."""
    with messages_to(fcm, fcm_ca) as target:
        figures = asyncio.run(measure(devices, firebase, rounds, target))
    targets = {
        f"{CPU_MOST:.0f} us of the sender's CPU a message": figures["sender_cpu_us"] <= CPU_MOST,
        f"{TIMES_FIREBASE} times firebase-admin's rate": figures["times_firebase"] >= TIMES_FIREBASE,
        f"{SLOW_LEAST:,} messages/s at 100 ms": figures["at_100_ms"]["per_second"] >= SLOW_LEAST,
        f"{MEMORY_MOST:.0f} MB at 100 ms": figures["at_100_ms"]["memory_mb"][SENDER] <= MEMORY_MOST,
    }
    conclude(f"sender, {devices:,} devices to {fcm}", figures, targets, as_json=json)


async def measure(devices: int, firebase: int, rounds: int, target: Target) -> dict[str, Any]:
    """Let the two take turns on one stack, so that what else the machine does falls on both; then at 100 ms."""
    options = StackOptions(name="bench", environment=target.environment, emulator=QUICK)
    async with Stack(options) as stack:
        if target.process is not None:
            stack.processes["null-fcm"] = target.process
        async with ledger(stack.database_url) as connection:
            own = {name: value for name, value in stack.environment().items() if name.startswith("CARILLON_FCM_")}
            await fill(connection, devices // rounds)
            runs, oracles = [], []
            for _ in range(rounds):
                runs.append(await _drain(stack, connection, devices // rounds))
                oracles.append(await _firebase(own, firebase // rounds))
        quick, oracle = together(runs), _together(oracles)
    slow = await measure_slow(devices)
    return {
        **quick,
        "sender_cpu_us": quick["cpu_us_per_message"][SENDER],
        "firebase_admin": oracle,
        "times_firebase": round(quick["per_second"] / oracle["per_second"], 1),
        "times_firebase_by_cpu": round(oracle["cpu_us_per_message"] / quick["cpu_us_per_message"][SENDER], 1),
        "at_100_ms": slow,
    }


async def measure_slow(devices: int) -> dict[str, Any]:
    """Against the emulator, each of whose answers takes 100 ms."""
    async with Stack(StackOptions(name="bench", emulator=SLOW)) as stack, ledger(stack.database_url) as connection:
        await fill(connection, devices)
        return await _drain(stack, connection, devices)


async def _drain(stack: Stack, connection: asyncpg.Connection, devices: int) -> dict[str, Any]:
    """Let the planner fill the lane while no sender runs, then start it."""
    sender = stack.services[SENDER]
    await asyncio.to_thread(sender.process.stop, 30)
    campaign = await send(connection, stack.database_url)
    await queued(connection, [campaign], devices)
    await asyncio.to_thread(sender.start)
    return await flow(stack, connection, [campaign], devices, memory_of=[SENDER])


async def _firebase(environment: Mapping[str, str], messages: int) -> dict[str, Any]:
    """Have a process of its own send by firebase-admin, which trusts what requests and httpx trust."""
    ca_file = environment["CARILLON_FCM_CA_FILE"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.benchmarks.firebase_each", str(messages)),
        cwd=REPOSITORY,
        env={**os.environ, **environment, "REQUESTS_CA_BUNDLE": ca_file, "SSL_CERT_FILE": ca_file},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"firebase-admin's run ended with code {process.returncode}; its error is above")
    told: dict[str, Any] = jsonlib.loads(output)
    return told


def _together(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Several runs of firebase-admin as one; the rate of each."""
    messages, seconds, used = (sum(run[name] for run in runs) for name in ("messages", "seconds", "cpu_seconds"))
    return {
        "messages": messages,
        "accepted": sum(run["accepted"] for run in runs),
        "per_second": round(messages / seconds),
        "rates": [run["per_second"] for run in runs],
        "cpu_us_per_message": round(used / messages * 1e6),
    }
