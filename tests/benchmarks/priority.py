"""Priority: a small urgent campaign that is sent while a large one of no urgency is in full flow."""

import asyncio
import json as jsonlib
import sys
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

import typer

from deploy.local import made_up
from deploy.local.campaign_run import CAMPAIGN, register
from deploy.local.client import OperatorClient
from deploy.local.options import StackOptions
from deploy.local.stack import Stack
from services.fcm_emulator import EmulatorClient
from tests.benchmarks.report import report
from tests.support.eventually import eventually

URGENT = 1_000
USER = "urgent"
FIRST_PUSH = 1.0
DONE = 3.0


def main(
    devices: Annotated[int, typer.Option(min=20_000)] = 200_000,
    *,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """A high campaign to 1,000 devices while the low one's are in flight: seconds to the first push and to its end."""
    figures = asyncio.run(measure(devices))
    report(f"priority, {URGENT:,} high in {devices:,} low", figures, as_json=json)
    in_time = figures["first_push_s"] <= FIRST_PUSH and figures["done_s"] <= DONE
    sys.exit(0 if in_time and figures["accepted"] == URGENT else 1)


async def measure(devices: int) -> dict[str, Any]:
    """Run both campaigns on a fresh stack."""
    options = StackOptions(name="bench", emulator=("--share", "UNREGISTERED=0"))
    async with (
        Stack(options) as stack,
        OperatorClient(stack.api_url, stack.operator_key) as client,
        EmulatorClient(stack.emulator.url, stack.emulator.ca_file) as fcm,
    ):
        await register(client, devices, lambda _done: None)
        await client.register(_urgent(devices))
        low = await _create(client, "low", {"kind": "all"})
        high = await _create(client, "high", {"kind": "users", "user_ids": [USER]})
        await client.send_campaign(low)
        await eventually(lambda: _requests(fcm, low, devices // 20), within=30)
        sent_at = time.time()
        await client.send_campaign(high)
        stats = await eventually(lambda: _completed(client, high), within=60)
        behind = await client.stats(low)
        first = (await fcm.summary(label=f"carillon-{high}"))["first_accept_at"]
    return {
        "first_push_s": round(first - sent_at, 3),
        "done_s": round(datetime.fromisoformat(stats["completed_at"]).timestamp() - sent_at, 3),
        "accepted": stats["outcomes"]["accepted"],
        "low_open_at_its_end": devices + URGENT - behind["outcomes"]["accepted"],
    }


async def _urgent(first: int) -> AsyncIterator[bytes]:
    for number in range(first, first + URGENT):
        target = {"kind": "token", "value": made_up.token(number)}
        yield jsonlib.dumps({"user_id": USER, "platform": "android", "target": target}).encode() + b"\n"


async def _create(client: OperatorClient, priority: str, audience: dict[str, Any]) -> int:
    return int((await client.create_campaign({**CAMPAIGN, "priority": priority, "audience": audience}))["id"])


async def _requests(fcm: EmulatorClient, campaign: int, least: int) -> bool:
    return bool((await fcm.summary(label=f"carillon-{campaign}"))["requests"] >= least)


async def _completed(client: OperatorClient, campaign: int) -> dict[str, Any] | None:
    stats = await client.stats(campaign)
    return stats if stats["status"] == "completed" else None
