"""Three nodes of RabbitMQ, one campaign under way, one fault: for how long nothing is pushed and nothing is booked.

Each of `FAULTS` strikes alone, when a sixth of the devices have their outcome. What is measured: the longest time
without a push by the emulator's own record, and without an outcome in the ledger; repeats; whether every book agrees;
when the first service said that it was not ready, and when all were ready again.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import httpx
import typer

from deploy.local.audit import audit
from deploy.local.campaign_run import CAMPAIGN, ENDED, register
from deploy.local.client import OperatorClient
from deploy.local.errors import CampaignError
from deploy.local.options import StackOptions
from deploy.local.stack import Stack
from services.fcm_emulator import EmulatorClient
from tests.benchmarks.report import conclude
from tests.support.cluster import Cluster, NoClusterError, Node, cluster_broker
from tests.support.cluster.haproxy import Check
from tests.support.cluster.silence import silence, steps
from tests.support.project import set_quota

SILENT_AT_MOST = 20.0
"""Seconds without a push while a majority can be reached: what is promised."""
STRIKES_AT = 1 / 6
AFTER = 60.0
"""Seconds that the campaign goes on beside the fault, if nothing held it up."""
LOOK = 0.1
ENDS_WITHIN = 900.0
SETTLED = "select total - pending as settled, status from campaign where id = $1"


class MissedError(Exception):
    """Raised so that the stack keeps its logs; `figures` are what was measured."""

    def __init__(self, figures: dict[str, Any], folder: Path) -> None:
        super().__init__(f"Logs and ledger are kept in {folder}.")
        self.figures = figures


Act = Callable[[Cluster, Node], Callable[[], None]]
"""Does it, and returns what undoes it; both block."""


def _killed(cluster: Cluster, node: Node) -> Callable[[], None]:
    node.kill()
    return lambda: cluster.start_again(node.number)


def _reached(cluster: Cluster, node: Node) -> Callable[[], None]:
    cluster.part(node.number, from_clients=False)
    return cluster.heal


def _silent(cluster: Cluster, node: Node) -> Callable[[], None]:
    cluster.part(node.number, from_clients=True)
    return cluster.heal


def _rolled(cluster: Cluster, _node: Node) -> Callable[[], None]:
    cluster.restart_in_turn()
    return lambda: None


def _slow(cluster: Cluster, node: Node) -> Callable[[], None]:
    cluster.slow(node.number)
    return lambda: cluster.quicken(node.number)


def _full(_cluster: Cluster, node: Node) -> Callable[[], None]:
    node.set_disk_alarm(on=True)
    return lambda: node.set_disk_alarm(on=False)


FAULTS: dict[str, Act] = {
    "killed": _killed,
    "parted": _reached,
    "silent": _silent,
    "rolled": _rolled,
    "slow": _slow,
    "full": _full,
}


def main(
    fault: Annotated[str, typer.Argument(help=f"{', '.join(FAULTS)}: parted is still reached by clients.")] = "parted",
    devices: Annotated[int, typer.Option(min=2_000)] = 200_000,
    lasts: Annotated[float, typer.Option(min=0, help="Seconds until it is undone.")] = 60.0,
    node: Annotated[int, typer.Option(min=0, max=3, help="0: the one with the most connections.")] = 0,
    hosts: Annotated[str, typer.Option(help="The nodes that the services' URL names.")] = "1,2,3",
    haproxy: Annotated[Check | None, typer.Option(help="Put it before them, with this health check.")] = None,
    *,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """One node of three is lost in mid-campaign: seconds without a push, in the ledger too, repeats (as root)."""
    if fault not in FAULTS:
        raise typer.BadParameter(f"there is no fault {fault!r}: {', '.join(FAULTS)}")
    named = tuple(int(number) for number in hosts.split(","))
    try:
        figures = asyncio.run(measure(fault, devices, lasts, node, named, haproxy))
    except NoClusterError as error:
        raise typer.BadParameter(str(error)) from error
    except MissedError as error:
        typer.echo(f"carillon: {error}", err=True)
        figures = error.figures
    conclude(f"one of three nodes {fault}, {devices:,} devices", figures, targets(figures), as_json=json)


def targets(figures: Mapping[str, Any]) -> dict[str, bool]:
    """The promises, and whether they held; a full disk blocks every publisher for as long as it is full."""
    silent = figures["fault"] == "full" or figures["fcm_silent_s"] <= SILENT_AT_MOST
    return {
        f"at most {SILENT_AT_MOST:.0f} s without a push": silent,
        "nobody is pushed twice": figures["sent_twice"] == 0,
        "every book agrees": figures["balanced"],
    }


async def measure(
    fault: str, devices: int, lasts: float, number: int, hosts: Sequence[int], behind: Check | None
) -> dict[str, Any]:
    """Run one campaign over a fault on a fresh stack."""
    clusters: list[Cluster] = []
    options = StackOptions(
        name="bench",
        planners=2,
        senders=("high,normal,low",) * 3,
        aggregators=2,
        emulator=("--share", "UNREGISTERED=0"),
        broker=cluster_broker(clusters.append, hosts=hosts, behind=behind),
    )
    async with (
        Stack(options) as stack,
        OperatorClient(stack.api_url, stack.operator_key) as client,
        EmulatorClient(stack.emulator.url, stack.emulator.ca_file) as fcm,
    ):
        await register(client, devices, lambda _done: None)
        await set_quota(stack.database_url, devices / (lasts + AFTER))
        campaign = int((await client.create_campaign(CAMPAIGN))["id"])
        await client.send_campaign(campaign)
        async with _looking(stack, campaign) as seen:
            await seen.until(lambda: seen.settled >= devices * STRIKES_AT)
            node = clusters[0].nodes[number - 1] if number else await asyncio.to_thread(clusters[0].busiest)
            struck = time.time()
            undo = await asyncio.to_thread(FAULTS[fault], clusters[0], node)
            await asyncio.sleep(lasts)
            undone = time.time()
            await asyncio.to_thread(undo)
            await seen.until(lambda: seen.status in ENDED)
        pushes = [(tenth / 10, accepted) for tenth, _, accepted in await fcm.rate(label=f"carillon-{campaign}")]
        verdict = await audit(stack.database_url, campaign, stack.emulator.record())
        at_fcm, booked = silence(pushes, struck, devices), silence(steps(seen.looks), struck, devices)
        figures = {
            "fault": fault,
            "node": node.number,
            "lasted_s": round(undone - struck, 1),
            "devices": devices,
            "url": "haproxy, " + behind.value if behind else ",".join(map(str, hosts)),
            "fcm_silent_s": at_fcm.longest,
            "fcm_silent_from_s": at_fcm.began_after,
            "ledger_silent_s": booked.longest,
            "last_devices_s": booked.tail,
            "first_not_ready_s": seen.first_not_ready(struck),
            "all_ready_again_s": seen.all_ready(undone),
            "sent_twice": verdict.duplicates,
            "balanced": verdict.agrees and verdict.letters.total() == devices,
            "letters": dict(verdict.letters),
            "faults": verdict.faults,
        }
        if not all(targets(figures).values()):
            raise MissedError(figures, stack.folder)
    return figures


@dataclass
class Seen:
    """What the ledger and the services said, with the time of each look."""

    looks: list[tuple[float, int]] = field(default_factory=list)
    ready: list[tuple[float, bool]] = field(default_factory=list)
    """When, and whether all of them were."""
    status: str = ""

    @property
    def settled(self) -> int:
        """Devices with an outcome."""
        return self.looks[-1][1] if self.looks else 0

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for it; raises `CampaignError` after `ENDS_WITHIN`."""
        deadline = time.monotonic() + ENDS_WITHIN
        while not holds():
            if time.monotonic() > deadline:
                raise CampaignError(f"Not within {ENDS_WITHIN:.0f} s: {self.settled} devices settled, {self.status}.")
            await asyncio.sleep(LOOK)

    def first_not_ready(self, struck: float) -> float | None:
        """Seconds from the fault until a service said that it cannot work; None: none ever did."""
        return next((round(at - struck, 1) for at, ready in self.ready if at > struck and not ready), None)

    def all_ready(self, undone: float) -> float | None:
        """Seconds from its undoing until all said again that they can, and did not take it back."""
        unready = [at for at, ready in self.ready if not ready]
        if not unready:
            return 0.0
        back = next((at for at, _ in self.ready if at > unready[-1]), None)
        return None if back is None else round(back - undone, 1)


@asynccontextmanager
async def _looking(stack: Stack, campaign: int) -> AsyncGenerator[Seen]:
    seen = Seen()
    looks = [
        asyncio.create_task(_look_at_ledger(stack, campaign, seen), name="ledger"),
        asyncio.create_task(_look_at_services(stack, seen), name="services"),
    ]
    try:
        yield seen
    finally:
        for task in looks:
            task.cancel()
        for outcome in await asyncio.gather(*looks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome


async def _look_at_ledger(stack: Stack, campaign: int, seen: Seen) -> None:
    connection = await asyncpg.connect(stack.database_url)
    try:
        while True:
            row = await connection.fetchrow(SETTLED, campaign)
            seen.looks.append((time.time(), row["settled"]))
            seen.status = row["status"]
            await asyncio.sleep(LOOK)
    finally:
        connection.terminate()


async def _look_at_services(stack: Stack, seen: Seen) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=3) as http:

        async def ready(url: str) -> bool:
            with contextlib.suppress(httpx.HTTPError):
                return (await http.get(f"{url}/health/ready")).status_code == httpx.codes.OK
            return False

        while True:
            said = await asyncio.gather(*(ready(service.url) for service in stack.services.values()))
            seen.ready.append((time.time(), all(said)))
            await asyncio.sleep(5 * LOOK)
