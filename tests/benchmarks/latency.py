"""A sender against answers that take as long as FCM's: what one core of it carries with a thousand in flight."""

import asyncio
import sys
from typing import Annotated, Any

import typer

from deploy.local.audit import audit
from deploy.local.campaign_run import Measures, register, send_and_follow
from deploy.local.client import OperatorClient
from deploy.local.options import StackOptions
from deploy.local.stack import Stack
from tests.benchmarks.report import cpu_per_message, report
from tests.support.project import set_quota

TARGET = 8_000
"""Devices that a core of a sender must carry a second."""
UNLIMITED = 1e6


def main(
    devices: Annotated[int, typer.Option(min=1)] = 100_000,
    latency: str = "lognormal:100ms",
    *,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Devices a second and a sender core-second at lognormal 100 ms; the emulator competes for this machine's cores."""
    figures = asyncio.run(measure(devices, latency))
    report(f"latency, {devices:,} devices at {latency}", figures, as_json=json)
    reached = figures["per_sender_core_second"] >= TARGET
    sys.exit(0 if reached and figures["balanced"] and figures["record_agrees"] else 1)


async def measure(devices: int, latency: str) -> dict[str, Any]:
    """Run one campaign on a fresh stack with one sender and no quota in the way."""
    measures = Measures(devices)
    options = StackOptions(name="bench", emulator=("--latency", latency, "--share", "UNREGISTERED=0.01"))
    async with Stack(options) as stack, OperatorClient(stack.api_url, stack.operator_key) as client:
        measures.registered_per_second = await register(client, devices, lambda _done: None)
        await set_quota(stack.database_url, UNLIMITED)
        before = stack.cpu_seconds()
        await stack.guarded(send_and_follow(stack, client, measures, lambda _stats: None))
        after = stack.cpu_seconds()
        verdict = await audit(stack.database_url, measures.campaign_id, stack.emulator.record())
    sender = after["sender-1"] - before["sender-1"]
    return {
        **measures.as_json(),
        "per_sender_core_second": round(devices / sender, 1),
        "record_agrees": verdict.agrees,
        "duplicates": verdict.duplicates,
        "cpu_us_per_message": cpu_per_message(before, after, devices),
    }
