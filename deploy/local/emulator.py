"""The FCM emulator as a process of the stack, and its record: the other book that the ledger is checked against."""

import json
import ssl
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from deploy.local.guardian import Guardian
from deploy.local.process import ManagedProcess

PROJECT = "default"


@dataclass(frozen=True)
class Emulator:
    """A running emulator: where it is, what to trust, and the credentials it made."""

    process: ManagedProcess
    url: str
    ca_file: Path
    credentials_dir: Path

    def stop(self) -> None:
        """End it; its record goes with it."""
        self.process.stop(5.0)

    async def summary(self) -> dict[str, Any]:
        """Totals of what it answered; `first_accept_at` is in seconds since the epoch."""
        async with self._client() as client:
            answer = await client.get("/emulator/summary")
            answer.raise_for_status()
            totals: dict[str, Any] = answer.json()
        return totals

    async def record(self) -> AsyncIterator[dict[str, Any]]:
        """Yield groups of tokens with one history: how often `accepted`, and `answers` by kind."""
        async with self._client() as client, client.stream("GET", "/emulator/record") as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                if line:
                    yield json.loads(line)

    def _client(self) -> httpx.AsyncClient:
        trust = ssl.create_default_context(cafile=str(self.ca_file))
        return httpx.AsyncClient(base_url=self.url, verify=trust, timeout=60.0, trust_env=False)


def start_emulator(folder: Path, log: Path, guardian: Guardian, options: Sequence[str]) -> Emulator:
    """Start it with more options of its own command (`python -m services.fcm_emulator --help`)."""
    folder.mkdir(parents=True, exist_ok=True)
    process = ManagedProcess(
        "emulator",
        [
            *(sys.executable, "-m", "services.fcm_emulator"),
            *("--folder", folder, "--project", PROJECT),
            *options,
        ],
        guardian=guardian,
        log=log,
        ready=lambda: _ready_line(log) is not None,
    )
    process.start()
    process.wait_ready()
    ready = _ready_line(log) or {}
    return Emulator(process, ready["url"], Path(ready["ca_file"]), Path(ready["credentials_dir"]))


def _ready_line(log: Path) -> dict[str, str] | None:
    """Find what it prints when it serves: one JSON line with its address."""
    for line in reversed(log.read_text(errors="replace").splitlines()):
        if line.startswith('{"url"'):
            told: dict[str, str] = json.loads(line)
            return told
    return None
