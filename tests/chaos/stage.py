"""Where it happens: a stack with two or three processes of each service, and clients that outlive its servers.

One process of each worker reaches broker and database through forwarders, so that its connections can be cut.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aio_pika
import asyncpg  # type: ignore[import-untyped]  # it ships no types
import httpx
from aio_pika.abc import AbstractChannel

from deploy.local.options import StackOptions
from deploy.local.process import ManagedProcess
from deploy.local.rabbitmq import package_script
from services.fcm_emulator.client import EmulatorClient
from shared.topology import RETRY_RUNGS
from tests.chaos.links import Links, behind_forwarders
from tests.chaos.replica import Replica
from tests.chaos.server import UNMOVED, Grounds
from tests.support.cluster import Cluster, cluster_broker

LEASE = 12.0
TIMES = {
    "CARILLON_LEDGER_LEASE": str(LEASE),
    "CARILLON_LEDGER_MARGIN": "5",
    "CARILLON_LEDGER_QUEUED": "4",
    "CARILLON_LEDGER_QUEUED_MAX": "30",
    "CARILLON_LEDGER_RETRY": "3",
    "CARILLON_LEDGER_REPORT": "4",
    "CARILLON_LEDGER_STEP": "4",
    "CARILLON_LEDGER_PUBLISH": "3",
    "CARILLON_LEDGER_PROBE": "0.5",
    "CARILLON_TICK": "0.5",
    "CARILLON_DRAIN_TIMEOUT": "15",
    "CARILLON_BATCHES": "4",
    "CARILLON_REPAIR_LEADERLESS": "10",
    "CARILLON_START_TIMEOUT": "120",
}
"""What waits minutes in production waits seconds here."""
RUNG_TTL = 1500
"""Milliseconds on every retry rung, by a policy: the lower of it and the queue's own counts."""

API = ("api",)
PLANNERS = ("planner-1", "planner-2")
SENDERS = ("sender-1", "sender-2", "sender-3")
AGGREGATORS = ("aggregator-1", "aggregator-2")
ROLES: Mapping[str, tuple[str, ...]] = {
    "api": API,
    "planner": PLANNERS,
    "sender": SENDERS,
    "aggregator": AGGREGATORS,
}
REMOTE = (PLANNERS[-1], SENDERS[-1], AGGREGATORS[-1])
"""Processes whose connections go through forwarders."""

QUOTA = 800.0
"""Messages a second: what two busy cores carry beside the faults."""
SHARES = {"UNREGISTERED": 0.02, "SENDER_ID_MISMATCH": 0.005}
"""Of all tokens, always the same ones: what FCM says of a token must not change with its mood."""
DRAIN = 20.0
"""Seconds until a process that was asked to end is killed: its budget and a little."""

AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg raises when the server goes away, in whatever moment."""
_PATIENCE = 60.0
"""Seconds to try something while a server is away: more than any fault lasts."""


@dataclass
class Stage:
    """A running stack under fault; `held` are the names that a fault acts on at present."""

    stack: Grounds
    http: httpx.AsyncClient
    fcm: EmulatorClient
    cluster: Cluster | None = None
    """None: the broker is one node."""
    links: dict[str, Links] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    injected: list[tuple[float, str, bytes]] = field(default_factory=list)
    """Malformed messages that the broker took: when, the queue that they lead to, the body."""
    offered: set[tuple[str, bytes]] = field(default_factory=set)
    """Malformed messages that it may have taken: the queue, the body."""
    broker_since: float = field(default_factory=time.monotonic)
    """When the broker was started last."""
    emptied: list[tuple[float, str]] = field(default_factory=list)
    """When a queue was purged or deleted with what it held, or came back for what expired from a rung meanwhile."""

    def process(self, name: str) -> ManagedProcess:
        """One process of the stack, such as `sender-1`."""
        return self.stack.processes[name]

    async def start(self, name: str) -> None:
        """Start it unless it runs; it becomes ready in its own time."""
        process = self.process(name)
        if not process.running:
            await asyncio.to_thread(process.start)

    async def stop(self, name: str) -> str:
        """Ask it to end; what to tell in the history, nothing when it drained in time."""
        process = self.process(name)
        drained = await asyncio.to_thread(process.stop, DRAIN)
        if not drained:
            return f"{name} was killed: it did not drain within {DRAIN:.0f} s"
        return "" if process.exit_code == 0 else f"{name} ended with code {process.exit_code}"

    async def rows(self, query: str, *arguments: object) -> list[Any]:
        """Ask the ledger, on a connection of its own: the server may have been away since."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                async with self.ledger() as connection:
                    return list(await connection.fetch(query, *arguments, timeout=20))
            except AWAY:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.5)

    async def command(self, *statements: str) -> None:
        """Have the server do each, whatever else happens to it meanwhile: it is done, or done twice."""
        for statement in statements:
            await self.rows(statement)

    @asynccontextmanager
    async def ledger(self) -> AsyncGenerator[Any]:
        """A plain connection to PostgreSQL as its superuser, whatever a fault has done to the role of the services."""
        connection = await asyncpg.connect(self.stack.superuser_url, timeout=5, server_settings=UNMOVED)
        try:
            yield connection
        finally:
            connection.terminate()

    @property
    def broker_url(self) -> str:
        """A broker that can be asked now: of a cluster a node of the majority."""
        if self.cluster is None:
            return self.stack.amqp_url
        living = self.cluster.living()
        return (living[0] if living else self.cluster.nodes[0]).broker.amqp_url()

    @asynccontextmanager
    async def channel(self) -> AsyncGenerator[AbstractChannel]:
        """A channel to the broker with confirms."""
        async with (
            await aio_pika.connect(self.broker_url, timeout=10) as connection,
            connection.channel() as channel,
        ):
            yield channel

    async def follow(self, script: Mapping[str, Any]) -> None:
        """Put a script in force at the emulator, whose trouble may cut the connection that says so."""
        for _ in range(50):
            try:
                await self.fcm.follow(dict(script))
            except httpx.TransportError:
                await asyncio.sleep(0.1)
                continue
            return
        raise RuntimeError("the emulator did not take its script in fifty tries")

    async def ready(self, touched: Collection[str]) -> bool:
        """Whether these services say that they can work; all that no fault holds, when a server was touched."""
        services = self.stack.services
        asked = set(touched) & services.keys() or services.keys() - self.held
        return all(await asyncio.gather(*(self._says_ready(services[name].url) for name in asked)))

    async def _says_ready(self, url: str) -> bool:
        try:
            return (await self.http.get(f"{url}/health/ready", timeout=3)).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    async def shorten_rungs(self) -> None:
        """Let retries come back soon; a policy is the broker's own and outlives its restarts."""
        vhost = self.stack.broker.vhost
        for rung in RETRY_RUNGS:
            policy = {
                "pattern": f"^{rung.queue.replace('.', '[.]')}$",
                "definition": {"message-ttl": RUNG_TTL},
                "apply-to": "queues",
            }
            await asyncio.to_thread(self.stack.broker.manage, "PUT", f"/policies/{vhost}/chaos-{rung.name}", policy)


@asynccontextmanager
async def fresh_stage(
    times: Mapping[str, str] = TIMES, *, clustered: bool = False, replica: Replica = Replica.NONE
) -> AsyncIterator[Stage]:
    """Everything as processes, in a folder and on ports of its own; `times` are the services' waits.

    `clustered`: the broker is three nodes; raises `NoClusterError` where this machine cannot have them.
    """
    clusters: list[Cluster] = []
    options = StackOptions(
        broker=cluster_broker(clusters.append) if clustered else None,
        name="chaos",
        planners=len(PLANNERS),
        senders=("high,normal,low",) * len(SENDERS),
        aggregators=len(AGGREGATORS),
        environment=times,
    )
    async with AsyncExitStack() as stack:
        stack.enter_context(_packaged_broker())
        # They outlive the stack: a service that cannot reach its servers any more could not stop in order.
        forwarders = await stack.enter_async_context(AsyncExitStack())
        running = await stack.enter_async_context(Grounds(options, replica))
        http = await stack.enter_async_context(
            httpx.AsyncClient(
                base_url=running.api_url,
                headers={"Authorization": f"Bearer {running.operator_key}"},
                trust_env=False,
                timeout=20,
            )
        )
        fcm = await stack.enter_async_context(EmulatorClient(running.emulator.url, running.emulator.ca_file))
        stage = Stage(running, http, fcm, next(iter(clusters), None))
        for cluster in clusters:
            running.processes.update((node.name, node.process) for node in cluster.nodes)
        await stage.follow({"shares": SHARES})
        await stage.shorten_rungs()
        await stage.rows("update project set rate = $1", QUOTA)
        await asyncio.gather(*(_put_behind_forwarders(stage, name, forwarders) for name in REMOTE))
        yield stage


@contextlib.contextmanager
def _packaged_broker() -> Any:
    """Prefer the machine's package: a container's data goes with its kill, and a foreign broker is not ours to kill."""
    before = {name: os.environ.get(name) for name in ("CARILLON_BROKER", "CARILLON_AMQP_URL")}
    if package_script() is not None:
        os.environ["CARILLON_BROKER"] = "package"
        os.environ.pop("CARILLON_AMQP_URL", None)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


async def _put_behind_forwarders(stage: Stage, name: str, stack: AsyncExitStack) -> None:
    """Start the process again, with forwarders between it and its servers."""
    addresses = {"CARILLON_AMQP_URL": stage.stack.amqp_url, "CARILLON_DATABASE_URL": stage.stack.database_url}
    behind = {variable: await behind_forwarders(url, stack) for variable, url in addresses.items()}
    stage.links[name] = Links(*(forwarders for _, forwarders in behind.values()))
    addresses = {variable: url for variable, (url, _) in behind.items()}
    process = stage.process(name)
    process.environment = {**(process.environment or {}), **addresses}
    await stage.stop(name)
    await stage.start(name)
    await asyncio.to_thread(process.wait_ready)
