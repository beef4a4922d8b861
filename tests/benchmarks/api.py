"""How quick the API is while a campaign runs on the same cores."""

import asyncio
import math
import random
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, Any

import httpx
import typer

from deploy.local.campaign_run import CAMPAIGN, ENDED, register
from deploy.local.client import OperatorClient
from deploy.local.made_up import token
from deploy.local.options import StackOptions
from deploy.local.stack import Stack
from tests.benchmarks.report import report

GOAL_MS = 50.0
"""What the 99th percentile of each has to stay under."""
LONGEST = 120.0
"""Seconds after which the load ends, whatever the campaign does."""

Request = Callable[[], Awaitable[httpx.Response]]


def main(
    devices: Annotated[int, typer.Option(min=1000)] = 200_000,
    rate: Annotated[float, typer.Option(min=1)] = 50.0,
    *,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Milliseconds to answer a send, a look at the stats and a device's upsert, while a campaign to N devices runs.

    Requests leave by the clock, whether or not the ones before are answered, and are timed from when they were due.
    """
    figures = asyncio.run(measure(devices, rate))
    report(f"api at {rate:.0f} requests a second, {devices:,} devices", figures, as_json=json)
    sys.exit(0 if figures["within_goal"] else 1)


async def measure(devices: int, rate: float) -> dict[str, Any]:
    """Run it on a fresh stack."""
    options = StackOptions(name="bench-api")
    async with Stack(options) as stack, OperatorClient(stack.api_url, stack.operator_key) as client:
        await register(client, devices, lambda _done: None)
        campaign = await client.create_campaign({**CAMPAIGN, "title": "the load"})
        headers = {"Authorization": f"Bearer {stack.operator_key}"}
        # A connection is given up before the API does it, which closes idle ones after 5 s.
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=2)
        async with httpx.AsyncClient(
            base_url=stack.api_url, headers=headers, timeout=30, trust_env=False, limits=limits
        ) as http:
            load = Load(http, campaign["id"], devices)
            await load.prepare(int(LONGEST * rate / 3) + 1)
            before = stack.cpu_seconds()
            began = time.monotonic()
            await client.send_campaign(campaign["id"])
            await stack.guarded(load.run(rate))
            seconds = time.monotonic() - began
            after = stack.cpu_seconds()
            stats = await client.stats(campaign["id"])
    times = {name: load.figures(name) for name in sorted(load.milliseconds)}
    return {
        "seconds": round(seconds, 1),
        "campaign_devices_per_second": round((devices - stats["outcomes"]["pending"]) / seconds),
        "requests": sum(len(taken) for taken in load.milliseconds.values()),
        "failed": load.failed,
        **times,
        "cpu": {name: round((after[name] - before.get(name, 0.0)) / seconds, 2) for name in after},
        "within_goal": not load.failed and all(one["p99_ms"] < GOAL_MS for one in times.values()),
    }


class Load:
    """The three kinds of requests in turn, until the campaign has settled."""

    def __init__(self, http: httpx.AsyncClient, campaign_id: int, devices: int) -> None:
        self._http = http
        self._campaign_id = campaign_id
        self._devices = devices
        self._drafts: list[int] = []
        self._over = asyncio.Event()
        self.milliseconds: defaultdict[str, list[float]] = defaultdict(list)
        self.failed = 0

    async def prepare(self, drafts: int) -> None:
        """Make drafts to nobody: their sends are whole, and put nothing in the lanes."""
        draft = {"title": "a draft", "body": "b", "audience": {"kind": "users", "user_ids": []}}
        for _ in range(drafts):
            answer = await self._http.post("/v1/campaigns", json=draft)
            self._drafts.append(answer.raise_for_status().json()["id"])

    async def run(self, rate: float) -> None:
        """Send requests at this rate until nearly every device has its letter."""
        kinds = self._kinds()
        began, due = time.perf_counter(), 0.0
        async with asyncio.TaskGroup() as group:
            while not self._over.is_set() and due < LONGEST:
                await asyncio.sleep(max(0.0, began + due - time.perf_counter()))
                name, request = next(kinds)
                group.create_task(self._time(name, request, began + due))
                due += 1 / rate

    def figures(self, name: str) -> dict[str, float]:
        """Percentiles of one kind."""
        taken = sorted(self.milliseconds[name])

        def percentile(share: float) -> float:
            return round(taken[min(len(taken) - 1, math.ceil(share * len(taken)) - 1)], 1)

        return {
            "count": len(taken),
            "p50_ms": percentile(0.5),
            "p95_ms": percentile(0.95),
            "p99_ms": percentile(0.99),
            "max_ms": percentile(1.0),
        }

    def _kinds(self) -> Iterator[tuple[str, Request]]:
        while True:
            yield "send", self._send
            yield "stats", self._stats
            yield "upsert", self._upsert

    async def _time(self, name: str, request: Request, due: float) -> None:
        answer = await request()
        self.milliseconds[name].append((time.perf_counter() - due) * 1000)
        if answer.is_error:
            self.failed += 1

    async def _send(self) -> httpx.Response:
        return await self._http.post(f"/v1/campaigns/{self._drafts.pop()}/send")

    async def _stats(self) -> httpx.Response:
        answer = await self._http.get(f"/v1/campaigns/{self._campaign_id}/stats")
        stats = answer.json()
        settled = stats["total_recipients"] - stats["outcomes"]["pending"]
        if settled >= 0.99 * self._devices or stats["status"] in ENDED:
            self._over.set()
        return answer

    async def _upsert(self) -> httpx.Response:
        number = random.randrange(self._devices)
        device = {
            "user_id": f"user-{number}-moved",
            "platform": "android",
            "target": {"kind": "token", "value": token(number)},
            "app_version": "4.2.0",
        }
        return await self._http.put("/v1/devices", json=device)
