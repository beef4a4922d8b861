"""How soon an operator's word counts: pause, resume, another rate, another lane and cancel, at full flow."""

import asyncio
import sys
import time
from typing import Annotated, Any

import httpx
import typer

from deploy.local.audit import audit
from deploy.local.campaign_run import CAMPAIGN, register
from deploy.local.client import OperatorClient
from deploy.local.options import StackOptions
from deploy.local.stack import Stack
from tests.benchmarks.report import report

LIMIT = 2.0
"""Seconds within which pause, resume and cancel must act."""
FLOWING = 5_000
"""Pushes accepted before anything is done: the campaign is at full flow."""
STILL = 3.0
"""Seconds of looking whether anything is still sent."""
SLOW = 200.0
"""Devices a second that the campaign is slowed down to."""


def main(
    devices: Annotated[int, typer.Option(min=20_000)] = 200_000,
    *,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Seconds from an answered request until FCM sees its effect; the ledger is then held against FCM's record."""
    figures = asyncio.run(measure(devices))
    report(f"control, {devices:,} devices", figures, as_json=json)
    acted = max(figures[name] for name in ("pause_s", "resume_s", "cancel_s"))
    sys.exit(0 if figures["balanced"] and figures["record_agrees"] and acted <= LIMIT else 1)


async def measure(devices: int) -> dict[str, Any]:
    """Run it on a fresh stack."""
    async with Stack(StackOptions(name="bench")) as stack:
        async with OperatorClient(stack.api_url, stack.operator_key) as client:
            await register(client, devices, lambda _done: None)
        headers = {"Authorization": f"Bearer {stack.operator_key}", "If-Match": "*"}
        async with httpx.AsyncClient(base_url=stack.api_url, headers=headers, trust_env=False, timeout=30) as http:
            figures, campaign_id = await _steer(http, stack)
            stats = await _ended(http, campaign_id)
            verdict = await audit(stack.database_url, campaign_id, stack.emulator.record())
    outcomes = stats["outcomes"]
    return {
        **figures,
        "cancelled": outcomes["cancelled"],
        "accepted": outcomes["accepted"],
        "not_planned": stats["not_planned"],
        "pending": outcomes["pending"],
        "balanced": stats["balanced"] and sum(outcomes.values()) + stats["not_planned"] == devices,
        "record_agrees": verdict.agrees,
        "duplicates": verdict.duplicates,
    }


async def _steer(http: httpx.AsyncClient, stack: Stack) -> tuple[dict[str, Any], int]:
    created = (await http.post("/v1/campaigns", json=CAMPAIGN)).json()
    url = f"/v1/campaigns/{created['id']}"
    (await http.post(f"{url}/send")).raise_for_status()
    await _accepted_reaches(stack, FLOWING)
    figures: dict[str, Any] = {"pause_s": await _quiet_after(http, stack, f"{url}/pause")}
    paused_at = await _accepted(stack)
    began = time.time()
    (await http.post(f"{url}/resume")).raise_for_status()
    await _accepted_reaches(stack, paused_at + 1)
    figures["resume_s"] = round(time.time() - began, 3)
    await _accepted_reaches(stack, paused_at + FLOWING)
    (await http.patch(url, json={"rate": SLOW})).raise_for_status()
    slowed_at = time.monotonic()
    await _looked_on(1.0)
    slow = await _accepted(stack)
    await _looked_on(STILL)
    figures["slowed_per_second"] = round((await _accepted(stack) - slow) / (time.monotonic() - slowed_at - 1.0), 1)
    before = await _accepted(stack)
    began = time.time()
    (await http.patch(url, json={"rate": None, "priority": "low"})).raise_for_status()
    await _accepted_reaches(stack, before + int(SLOW * LIMIT) + 1_000)
    figures["quick_again_s"] = round(time.time() - began, 3)
    explained = (await http.get(f"{url}/explain")).json()
    figures["explained"] = explained["sentence"]
    figures["cancel_s"] = await _quiet_after(http, stack, f"{url}/cancel")
    return figures, created["id"]


async def _quiet_after(http: httpx.AsyncClient, stack: Stack, url: str) -> float:
    """Seconds from the answer until the last push was accepted; 0 when that was before it."""
    (await http.post(url)).raise_for_status()
    answered = time.time()
    await _looked_on(STILL)
    last: float = (await stack.emulator.summary())["last_accept_at"]
    return round(max(0.0, last - answered), 3)


async def _accepted(stack: Stack) -> int:
    return int((await stack.emulator.summary())["accepted"])


async def _accepted_reaches(stack: Stack, count: int) -> None:
    async with asyncio.timeout(120):
        while await _accepted(stack) < count:  # noqa: ASYNC110 - another process counts
            await asyncio.sleep(0.02)


async def _looked_on(seconds: float) -> None:
    """Let the system go on for a while."""
    await asyncio.sleep(seconds)


async def _ended(http: httpx.AsyncClient, campaign_id: int) -> dict[str, Any]:
    async with asyncio.timeout(120):
        while True:
            stats: dict[str, Any] = (await http.get(f"/v1/campaigns/{campaign_id}/stats")).json()
            if stats["status"] in {"completed", "cancelled"}:
                return stats
            await asyncio.sleep(0.1)
