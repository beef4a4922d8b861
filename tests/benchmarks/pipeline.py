"""The whole way: devices through the API, one campaign from its send request to its final event."""

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


def main(
    devices: Annotated[int, typer.Option(min=1)] = 100_000,
    senders: Annotated[int, typer.Option(min=1, max=8)] = 1,
    *,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Devices a second from the send request until 99 % have their letter; emulator on this machine, no latency."""
    figures = asyncio.run(measure(devices, senders))
    report(f"pipeline, {devices:,} devices", figures, as_json=json)
    sys.exit(0 if figures["balanced"] and figures["record_agrees"] else 1)


async def measure(devices: int, senders: int) -> dict[str, Any]:
    """Run it on a fresh stack."""
    measures = Measures(devices)
    options = StackOptions(name="bench", senders=("high,normal,low",) * senders)
    async with Stack(options) as stack, OperatorClient(stack.api_url, stack.operator_key) as client:
        start = stack.cpu_seconds()
        measures.registered_per_second = await register(client, devices, lambda _done: None)
        registered = stack.cpu_seconds()
        await stack.guarded(send_and_follow(stack, client, measures, lambda _stats: None))
        ended = stack.cpu_seconds()
        verdict = await audit(stack.database_url, measures.campaign_id, stack.emulator.record())
    return {
        **measures.as_json(),
        "record_agrees": verdict.agrees,
        "duplicates": verdict.duplicates,
        "cpu_us_per_device_import": cpu_per_message(start, registered, devices),
        "cpu_us_per_message": cpu_per_message(registered, ended, devices),
    }
