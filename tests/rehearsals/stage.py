"""Where the days are played: a running system, devices of their own for each day, an ear on `push.events`."""

import json
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import Any

import aio_pika
import asyncpg  # type: ignore[import-untyped]  # it ships no types
import httpx
from aio_pika.abc import AbstractIncomingMessage

from deploy.local import made_up
from deploy.local.options import StackOptions
from deploy.local.stack import Stack
from services.fcm_emulator import EmulatorClient, write_service_account
from shared.topology import EVENTS
from tests.flow.system import Audience, System

TIMES = {
    "CARILLON_LEDGER_LEASE": "50",
    "CARILLON_LEDGER_MARGIN": "20",
    "CARILLON_LEDGER_QUEUED": "3",
    "CARILLON_LEDGER_RETRY": "3",
    "CARILLON_LEDGER_REPORT": "3",
    "CARILLON_LEDGER_STEP": "3",
    "CARILLON_LEDGER_PUBLISH": "2",
    "CARILLON_LEDGER_PROBE": "0.25",
    "CARILLON_LEDGER_RAMP": "0",
    "CARILLON_TICK": "0.5",
}
"""The lease stays longer than FCM's slowest answer; all else is a sixtieth or so of production's."""

PLATFORMS = ("ios", "android", "web")

RESET = """
    update project
       set rate = $1, tat = 0, tat_high = 0, tat_normal = 0, tat_low = 0, paused_until = 0, cut_rate = null, cut_at = 0,
           circuit_reason = null, circuit_probe_at = 0, circuit_failures = 0, stopped_platforms = '{}'
"""
PROJECT = """
    select *, paused_until - extract(epoch from clock_timestamp()) as pause from project where id = 'default'
"""


@dataclass
class Ear:
    """What was heard on `push.events`, by routing key."""

    heard: Counter[str] = field(default_factory=Counter)
    reasons: list[str] = field(default_factory=list)

    async def hear(self, message: AbstractIncomingMessage) -> None:
        """Take down one event."""
        self.heard[message.routing_key or ""] += 1
        data = json.loads(message.body).get("data", {})
        if "reason" in data:
            self.reasons.append(data["reason"])


@asynccontextmanager
async def listening(amqp_url: str) -> AsyncGenerator[Ear]:
    """Bind a queue of our own, as any subscriber can."""
    ear = Ear()
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        queue = await channel.declare_queue(exclusive=True)
        for pattern in ("project.*", "campaign.*"):
            await queue.bind(EVENTS, pattern)
        await queue.consume(ear.hear, no_ack=True)
        yield ear


@asynccontextmanager
async def fresh_system() -> AsyncGenerator[System]:
    """Everything as processes, for the command line."""
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(Stack(StackOptions(name="rehearse", environment=TIMES)))
        headers = {"Authorization": f"Bearer {running.operator_key}"}
        api = await stack.enter_async_context(
            httpx.AsyncClient(base_url=running.api_url, headers=headers, trust_env=False, timeout=30)
        )
        fcm = await stack.enter_async_context(EmulatorClient(running.emulator.url, running.emulator.ca_file))
        ledger = await asyncpg.connect(running.database_url)
        stack.push_async_callback(ledger.close)
        yield System(running, api, fcm, ledger, count(1))


async def register(system: System, devices: int, projects: Sequence[str]) -> Audience:
    """Register so many new devices of one new user, in turn iOS, Android and web, and in turn of these projects."""
    user = f"rehearsal-{next(system.numbers)}"
    audience = Audience(user, tuple(made_up.token(next(system.numbers)) for _ in range(devices)))
    lines = b"".join(
        json.dumps(
            {"user_id": user, "platform": kind, "project": project, "target": {"kind": "token", "value": token}}
        ).encode()
        + b"\n"
        for token, kind, project in zip(audience.tokens, cycle(PLATFORMS), cycle(projects), strict=False)
    )
    answer = await system.api.post("/v1/devices/bulk", content=lines, headers={"Content-Type": "application/x-ndjson"})
    if answer.json().get("registered") != devices:
        raise RuntimeError(f"the rehearsal's devices could not be registered: {answer.text}")
    return audience


def ios_tokens(audience: Audience) -> Sequence[str]:
    """Tokens of the audience's iOS devices."""
    return audience.tokens[PLATFORMS.index("ios") :: len(PLATFORMS)]


async def add_project(system: System, project: str) -> None:
    """Have the project in the ledger, and its credentials where senders look."""
    await system.ledger.execute("insert into project (id) values ($1) on conflict do nothing", project)
    emulator = system.stack.emulator
    write_service_account(
        emulator.credentials_dir / f"{project}.json", project=project, token_uri=f"{emulator.url}/token"
    )


async def reset_project(system: System, rate: float) -> None:
    """Forget what the day before left in the project's row."""
    await system.ledger.execute(RESET, rate)


async def project_row(system: System) -> dict[str, Any]:
    """The project as the ledger has it now; `pause`: seconds that it still pauses."""
    return dict(await system.ledger.fetchrow(PROJECT))


async def readiness_notes(system: System) -> str:
    """What a sender's readiness says beside being ready."""
    answer = await system.api.get(f"{system.stack.services['sender-1'].url}/health/ready")
    return json.dumps(answer.raise_for_status().json().get("notes", {}))


async def inactive_devices(system: System, user: str) -> int:
    """How many of the user's devices were deactivated."""
    return int(await system.value("select count(*) from device where user_id = $1 and not active", user))


async def tokens_granted(system: System) -> int:
    """How many access tokens the emulator has granted so far, to whichever project."""
    return int((await system.fcm.summary())["tokens_granted"])


async def record_of(system: System, label: str) -> AsyncIterator[dict[str, Any]]:
    """The emulator's record of one campaign."""
    async for group in system.fcm.record(label=label):
        yield group._asdict()
