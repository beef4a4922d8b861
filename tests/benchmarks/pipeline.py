"""The whole way: devices through the API, one campaign from its send request to its final event."""

import asyncio
from typing import Annotated, Any

import typer

from deploy.local.audit import audit
from deploy.local.campaign_run import Measures, register, send_and_follow
from deploy.local.client import OperatorClient
from deploy.local.options import StackOptions
from deploy.local.stack import Stack
from tests.benchmarks.fcm import EMULATOR, Target, Trusted, Where, messages_to
from tests.benchmarks.ground import BOUNDLESS
from tests.benchmarks.report import conclude, cpu, cpu_per_message
from tests.support.project import set_quota

LEAST = {True: 10_000, False: 14_000}
"""Devices a second: against the emulator on the same cores, and against a server that costs next to nothing."""


def main(
    devices: Annotated[int, typer.Option(min=1)] = 100_000,
    senders: Annotated[int, typer.Option(min=1, max=8)] = 1,
    fcm: Where = EMULATOR,
    fcm_ca: Trusted = None,
    *,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Devices a second from the send request until 99 % have their letter; no latency, no quota but the machine's."""
    with messages_to(fcm, fcm_ca) as target:
        figures = asyncio.run(measure(devices, senders, target))
        least = LEAST[target.keeps_record]
    targets = {
        f"{least:,} devices/s": figures["per_second"] >= least,
        "the ledger balances": figures["balanced"],
        "FCM's record agrees": figures["record_agrees"] is not False,
    }
    conclude(f"pipeline, {devices:,} devices to {fcm}", figures, targets, as_json=json)


async def measure(devices: int, senders: int, target: Target) -> dict[str, Any]:
    """Run it on a fresh stack."""
    measures = Measures(devices)
    options = StackOptions(name="bench", senders=("high,normal,low",) * senders, environment=target.environment)
    async with Stack(options) as stack, OperatorClient(stack.api_url, stack.operator_key) as client:
        if target.process is not None:
            stack.processes["null-fcm"] = target.process
        start = stack.cpu_seconds()
        measures.registered_per_second = await register(client, devices, lambda _done: None)
        await set_quota(stack.database_url, BOUNDLESS)
        registered = stack.cpu_seconds()
        await stack.guarded(send_and_follow(stack, client, measures, lambda _stats: None))
        ended = stack.cpu_seconds()
        agrees: dict[str, Any] = {"record_agrees": None}
        if target.keeps_record:
            verdict = await audit(stack.database_url, measures.campaign_id, stack.emulator.record())
            agrees = {"record_agrees": verdict.agrees, "duplicates": verdict.duplicates}
    return {
        **measures.as_json(),
        **agrees,
        "cpu_us_per_device_import": cpu_per_message(start, registered, devices),
        **cpu(registered, ended, devices),
    }
