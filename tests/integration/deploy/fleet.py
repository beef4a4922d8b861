"""The four services as processes on the test's own servers, each with an environment of its own."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from deploy.local.guardian import Guardian
from deploy.local.ports import DIRECT, LOOPBACK, free_port
from deploy.local.process import ManagedProcess
from services.fcm_emulator.running import running_emulator
from tests.support.eventually import eventually

KEY = "kT3-mVq9_xLw0ZbRe5"
SERVICES = ("api", "planner", "sender", "aggregator")
TIMES = {
    "CARILLON_LEDGER_LEASE": "8",
    "CARILLON_LEDGER_MARGIN": "3",
    "CARILLON_LEDGER_QUEUED": "1",
    "CARILLON_LEDGER_RAMP": "0",
    "CARILLON_TICK": "0.2",
    "CARILLON_DRAIN_TIMEOUT": "5",
}
"""What waits minutes in production waits seconds here."""


@dataclass(frozen=True)
class Fleet:
    """Running services and a client of their API."""

    api: httpx.AsyncClient
    urls: Mapping[str, str]

    async def register(self, devices: int) -> None:
        """Register made-up devices."""
        lines = "".join(
            f'{{"user_id": "user-{n}", "platform": "android", "target": {{"kind": "token", "value": "token-{n}"}}}}\n'
            for n in range(devices)
        )
        answer = await self.api.post(
            "/v1/devices/bulk", content=lines, headers={"Content-Type": "application/x-ndjson"}
        )
        assert answer.json()["registered"] == devices, answer.text

    async def send(self, **more: Any) -> int:
        """Create a campaign to everybody and send it; return its id."""
        campaign = {"title": "Bells", "body": "Ring", "audience": {"kind": "all"}, "priority": "normal", **more}
        created = await self.api.post("/v1/campaigns", json=campaign)
        assert created.status_code == 201, created.text
        campaign_id = int(created.json()["id"])
        sent = await self.api.post(f"/v1/campaigns/{campaign_id}/send")
        assert sent.status_code == 202, sent.text
        return campaign_id

    async def stats(self, campaign_id: int) -> dict[str, Any]:
        """Return the campaign's counters."""
        found: dict[str, Any] = (await self.api.get(f"/v1/campaigns/{campaign_id}/stats")).json()
        return found

    async def completed(self, campaign_id: int, *, within: float = 30.0) -> dict[str, Any]:
        """Wait for the campaign's end; return its counters."""

        async def done() -> dict[str, Any]:
            stats = await self.stats(campaign_id)
            assert stats["status"] == "completed", stats
            return stats

        return await eventually(done, within=within)


@asynccontextmanager
async def fleet(
    folder: Path, environment: Mapping[str, str], own: Mapping[str, Mapping[str, str]] | None = None
) -> AsyncIterator[Fleet]:
    """Start every service with `environment` and what it has of its `own`; stop them in order at the end."""
    ports = {name: free_port() for name in SERVICES}
    urls = {name: f"http://{LOOPBACK}:{port}" for name, port in ports.items()}
    async with AsyncExitStack() as stack:
        emulator = await stack.enter_async_context(running_emulator(script={"shares": {}}))
        guardian = stack.enter_context(Guardian())
        for name in SERVICES:
            process = ManagedProcess(
                name,
                [sys.executable, "-m", f"services.{name}"],
                guardian=guardian,
                log=folder / f"{name}.log",
                environment={
                    **TIMES,
                    "CARILLON_FCM_URL": emulator.url,
                    "CARILLON_FCM_CA_FILE": str(emulator.ca_file),
                    "CARILLON_FCM_CREDENTIALS_DIR": str(emulator.credentials_dir),
                    "CARILLON_HTTP_PORT": str(ports[name]),
                    "CARILLON_OPERATOR_KEY": KEY,
                    **environment,
                    **(own or {}).get(name, {}),
                },
                ready=_ready(urls[name]),
                ready_within=30.0,
            )
            process.start()
            stack.callback(process.stop, 10.0)
            await asyncio.to_thread(process.wait_ready)
        client = await stack.enter_async_context(
            httpx.AsyncClient(
                base_url=urls["api"], headers={"Authorization": f"Bearer {KEY}"}, trust_env=False, timeout=30.0
            )
        )
        yield Fleet(client, urls)


def _ready(url: str) -> Any:
    def ready() -> bool:
        try:
            with DIRECT.open(f"{url}/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    return ready
