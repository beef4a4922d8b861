"""The whole of Carillon as the tests of this tree play with it: audiences of their own, campaigns, kills, audits.

The emulator keeps its record by what each campaign's messages are tagged with: no test sees another's pushes.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import aio_pika
import asyncpg  # type: ignore[import-untyped]  # it ships no types
import httpx

from deploy.local import made_up
from deploy.local.audit import Audit, audit
from deploy.local.process import ManagedProcess
from deploy.local.stack import Stack
from services.fcm_emulator.client import EmulatorClient
from shared.topology import DEAD_LETTERS
from tests.support.eventually import eventually

FINAL = ("completed", "cancelled")
CONTENT = {"title": "Carillon", "body": "every bell, once", "priority": "high"}


@dataclass(frozen=True)
class Audience:
    """One user's devices, registered in the order of their tokens."""

    user: str
    tokens: tuple[str, ...]


@dataclass(frozen=True)
class System:
    """A running stack with a client for each of its sides."""

    stack: Stack
    api: httpx.AsyncClient
    """The operators' HTTP API, with an operator's key."""
    fcm: EmulatorClient
    ledger: Any
    """A connection to PostgreSQL."""
    numbers: Iterator[int]
    """For devices and audiences that no other test has."""

    async def audience(self, devices: int) -> Audience:
        """Register so many new devices for one new user."""
        audience = Audience(
            user=f"user-{next(self.numbers)}",
            tokens=tuple(made_up.token(next(self.numbers)) for _ in range(devices)),
        )
        lines = b"".join(
            json.dumps(
                {"user_id": audience.user, "platform": "android", "target": {"kind": "token", "value": token}}
            ).encode()
            + b"\n"
            for token in audience.tokens
        )
        answer = await self.api.post(
            "/v1/devices/bulk", content=lines, headers={"Content-Type": "application/x-ndjson"}
        )
        assert answer.json()["registered"] == devices, answer.text
        return audience

    async def create(self, audience: Audience, **more: Any) -> int:
        """Create a campaign to the audience; return its id."""
        campaign = {**CONTENT, "audience": {"kind": "users", "user_ids": [audience.user]}, **more}
        answer = await self.api.post("/v1/campaigns", json=campaign)
        assert answer.is_success, answer.text
        return int(answer.json()["id"])

    async def act(self, campaign_id: int, verb: str) -> httpx.Response:
        """Send, pause, resume or cancel it."""
        return await self.api.post(f"/v1/campaigns/{campaign_id}/{verb}")

    async def send(self, audience: Audience, **more: Any) -> int:
        """Create a campaign to the audience and send it; return its id."""
        campaign_id = await self.create(audience, **more)
        answer = await self.act(campaign_id, "send")
        assert answer.is_success, answer.text
        return campaign_id

    async def stats(self, campaign_id: int) -> dict[str, Any]:
        """What operators see of it."""
        answer = await self.api.get(f"/v1/campaigns/{campaign_id}/stats")
        assert answer.is_success, answer.text
        stats: dict[str, Any] = answer.json()
        return stats

    async def value(self, query: str, *arguments: object) -> Any:
        """One value out of the ledger."""
        return await self.ledger.fetchval(query, *arguments)

    async def accepted(self, campaign_id: int, at_least: int, within: float = 20.0) -> int:
        """Wait until the ledger has so many devices accepted; return how many they are."""

        async def enough() -> int | None:
            count = await self.value("select accepted from campaign where id = $1", campaign_id)
            return int(count) if count >= at_least else None

        found = await eventually(enough, within)
        assert found is not None
        return found

    async def pushed(self, campaign_id: int, at_least: int, within: float = 20.0) -> int:
        """Wait until FCM has got so many messages of the campaign, whether or not the ledger knows."""

        async def enough() -> int | None:
            count = await self.requests(campaign_id)
            return count if count >= at_least else None

        found = await eventually(enough, within)
        assert found is not None
        return found

    async def requests(self, campaign_id: int) -> int:
        """How many messages of the campaign FCM has got."""
        return int((await self.fcm.summary(label=_label(campaign_id)))["requests"])

    async def ended(self, campaign_id: int, within: float = 30.0) -> dict[str, Any]:
        """Wait for the campaign's end; return its stats."""

        async def final() -> bool:
            status = await self.value("select status from campaign where id = $1", campaign_id)
            assert status in FINAL, f"campaign {campaign_id} is still {status}: {await self._where(campaign_id)}"
            return True

        await eventually(final, within)
        return await self.stats(campaign_id)

    async def settled(self, campaign_id: int, within: float = 30.0) -> Audit:
        """Wait for the end of the campaign, balanced and as FCM remembers it, device by device; return the audit."""
        stats = await self.ended(campaign_id, within)
        assert stats["balanced"], stats
        assert stats["outcomes"]["pending"] == 0, stats
        found = await audit(self.stack.database_url, campaign_id, self._record(_label(campaign_id)))
        assert found.agrees, found.faults
        return found

    async def _record(self, label: str) -> AsyncIterator[Mapping[str, Any]]:
        async for group in self.fcm.record(label=label):
            yield group._asdict()

    async def _where(self, campaign_id: int) -> str:
        """Where its open batches are, for the message of a failed test."""
        rows = await self.ledger.fetch(
            "select state, count(*) as n, min(due_at - now()) as due from campaign_batch"
            " where campaign_id = $1 and state <> 'finished' group by state",
            campaign_id,
        )
        return ", ".join(f"{row['n']} {row['state']} (next due in {row['due']})" for row in rows) or "no open batch"

    def process(self, name: str) -> ManagedProcess:
        """One process of the stack, such as `sender-1`."""
        return self.stack.processes[name]

    async def kill(self, name: str) -> None:
        """End it with SIGKILL, as a power cut would."""
        await asyncio.to_thread(self.process(name).kill)

    async def start(self, name: str) -> None:
        """Start it again and wait until it is ready."""
        process = self.process(name)
        await asyncio.to_thread(process.start)
        await asyncio.to_thread(process.wait_ready)

    async def heal(self) -> None:
        """Start again whatever a test left dead, servers first."""
        for name, process in self.stack.processes.items():
            if not process.running:
                await self.start(name)

    async def stop(self, name: str, within: float) -> float:
        """Ask it to end by SIGTERM; return the seconds it took to drain and exit with 0."""
        process, began = self.process(name), time.monotonic()
        assert await asyncio.to_thread(process.stop, within), process.explain(f"did not drain within {within} s")
        assert process.exit_code == 0, process.explain(f"ended with code {process.exit_code}")
        return time.monotonic() - began

    async def redeliveries(self) -> dict[str, float]:
        """How many messages each process got that the broker had delivered before."""
        return {
            name: counter((await self.api.get(f"{service.url}/metrics")).text, "carillon_redeliveries_total")
            for name, service in self.stack.services.items()
        }

    async def claims(self) -> float:
        """How many batches of all campaigns the senders have taken to send, each since its start."""
        senders = [service.url for name, service in self.stack.services.items() if name.startswith("sender")]
        pages = [(await self.api.get(f"{url}/metrics")).text for url in senders]
        return sum(counter(page, "carillon_claims_total", "claimed") for page in pages)

    async def dead_letters(self) -> int:
        """How many messages wait in `dead` to be looked at."""
        async with await aio_pika.connect(self.stack.amqp_url) as connection, connection.channel() as channel:
            queue = await channel.declare_queue(DEAD_LETTERS.name, passive=True)
            return queue.declaration_result.message_count or 0

    async def repeats_allowed(self, campaign_id: int) -> int:
        """Devices of batches whose lease was lost: what the stated bound lets a crash repeat."""
        lost = "select coalesce(sum(size * lost), 0) from campaign_batch where campaign_id = $1"
        return int(await self.value(lost, campaign_id))

    @contextlib.asynccontextmanager
    async def frozen(self, table: str) -> AsyncIterator[None]:
        """Lock a table against writes: a transaction that writes to it hangs until the block ends."""
        connection = await asyncpg.connect(self.stack.database_url)
        try:
            async with connection.transaction():
                await connection.execute(f"lock table {table} in share mode")
                yield
        finally:
            await connection.close()

    async def hangs(self, service: str) -> None:
        """Wait until the service waits for a lock."""
        waiting = "select count(*) from pg_stat_activity where application_name = $1 and wait_event_type = 'Lock'"
        await eventually(lambda: self.value(waiting, service))


def counter(metrics: str, name: str, value: str = "") -> float:
    """Sum a counter over its labels, in Prometheus' text; or where some label has this value."""
    lines = [line for line in metrics.splitlines() if line.startswith(name) and (not value or f'="{value}"' in line)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def _label(campaign_id: int) -> str:
    """What its messages are tagged with, so that a repeat replaces the first on the device."""
    return f"carillon-{campaign_id}"
