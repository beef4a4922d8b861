"""The timekeeper: periodic work of the ledger. It may run in any number of replicas: row locks keep them apart."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from aio_pika.abc import AbstractRobustConnection

from services.planner.publishing import Publishing
from services.planner.store import Store
from shared.amqp.depth import Refusals, ready_messages
from shared.errors import BrokerUnavailableError, DatabaseUnavailableError, LookRefusedError, UnavailableError
from shared.ledger import sweeping
from shared.observability import metrics
from shared.topology import LANES, Lane

log = structlog.get_logger()

HOLDERS_FIRST = 15.0
"""Seconds without a sweep after PostgreSQL could not be reached. Leases ran out during that time, and senders that
could not release still know what they have sent: they retry every half second, and each first needs a new
connection."""
HURRY_FOR = 60.0
"""Seconds, after a node of RabbitMQ was left, in which steps count as lost sooner (`HURRIED`): for about a minute the
cluster still delivers to consumers that are gone, and a campaign depends on one command at a time."""
HURRIED = 3.0
"""Seconds after which a step counts as lost then. One that was only slow is commanded twice and done once."""


class Timekeeper:
    """A round every `tick` seconds: schedules, sweeps, batches that no step will publish, steps that were lost."""

    def __init__(
        self,
        store: Store,
        publishing: Publishing,
        connection: AbstractRobustConnection,
        *,
        tick: float,
        on_commit: Callable[[], None],
    ) -> None:
        self._store = store
        self._publishing = publishing
        self._connection = connection
        self._refusals = Refusals(connection)
        self._tick = tick
        self._on_commit = on_commit
        self._stopping = asyncio.Event()
        self._no_sweep_before = 0.0
        self._hurry_until = 0.0

    async def run(self) -> None:
        """Run rounds until stopped; an infrastructure failure skips a round."""
        while not self._stopping.is_set():
            try:
                await self.round()
            except UnavailableError as error:
                log.warning("timekeeper.waiting", error=str(error))
                if isinstance(error, DatabaseUnavailableError):
                    self._let_holders_speak()
            try:
                async with asyncio.timeout(self._tick):
                    await self._stopping.wait()
            except TimeoutError:
                continue
        await asyncio.Future()  # a loop that ends stops the process; this one is cancelled with the others

    def stop(self) -> None:
        """Start no new round."""
        self._stopping.set()

    async def round(self) -> None:
        """Everything that is due now, each in a transaction of its own; raises `UnavailableError`.

        What cannot be published delays nothing else: a missing lane must not stop the other lanes.
        """
        for campaign_id in await self._store.start_due():
            log.info("campaign.schedule_due", campaign_id=campaign_id)
        await self._command_lost_steps()
        self._on_commit()
        may_sweep = asyncio.get_running_loop().time() >= self._no_sweep_before
        troubles = [await _trouble(self._sweep()) if may_sweep else None, *await self._publish_leftovers()]
        self._on_commit()
        for trouble in filter(None, troubles):
            raise trouble

    def hurry(self) -> None:
        """A node was left: what it delivered may be lost for a while."""
        self._hurry_until = asyncio.get_running_loop().time() + HURRY_FOR

    def _let_holders_speak(self) -> None:
        """Pause the sweeps: a batch may count as lost only after its holder had time to release it."""
        self._no_sweep_before = asyncio.get_running_loop().time() + HOLDERS_FIRST

    async def _command_lost_steps(self) -> None:
        hurried = asyncio.get_running_loop().time() < self._hurry_until
        lost = await self._store.command_lost_steps(age=HURRIED if hurried else None)
        for campaign_id, seq in lost.steps:
            log.warning("step.commanded_again", campaign_id=campaign_id, seq=seq)
        for campaign_id in lost.closings:
            log.warning("closing.commanded_again", campaign_id=campaign_id)

    async def _sweep(self) -> None:
        busy = [str(lane) for lane in LANES if await self._is_busy(lane)]
        while True:
            swept = await self._store.sweep(busy_lanes=busy)
            for state, count in swept.back.items():
                log.warning("batches.swept", state=state, count=count)
                metrics.SWEPT.labels(state).inc(count)
            await self._publishing.report(swept.results)
            if swept.looked_at < sweeping.SLICE:
                return

    async def _is_busy(self, lane: Lane) -> bool:
        """Whether batches wait in a lane; one whose depth is unknown counts as busy.

        A lane whose depth this user may not read counts as empty, else what is lost in it would wait for an hour. A
        batch that is published twice for that is still claimed once: the second message finds nothing to claim.
        """
        try:
            return await ready_messages(self._connection, LANES[lane].name, self._refusals) > 0
        except LookRefusedError:
            return False
        except BrokerUnavailableError as error:
            log.warning("lane.not_looked_at", lane=str(lane), error=str(error))
            return True

    async def _publish_leftovers(self) -> list[BrokerUnavailableError | None]:
        """Publish what is planned of campaigns that have no step left to do it; returns what came of each."""
        return [
            await _trouble(self._publishing.publish(await self._store.take_leftover(campaign)))
            for campaign in await self._store.leftovers()
        ]


async def _trouble(work: Coroutine[Any, Any, None]) -> BrokerUnavailableError | None:
    """Run the work; returns the broker's error, if there was one."""
    try:
        await work
    except BrokerUnavailableError as error:
        return error
    return None
