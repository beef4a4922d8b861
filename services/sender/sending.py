"""Sending: one batch from claim to report.

The order is the promise: send → release → outcomes confirmed → retry (new epoch) confirmed → ack.
"""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import structlog

from services.sender.answers import rung_for
from services.sender.campaign_poller import CampaignPoller
from services.sender.claiming import Claimer, HeldClaim
from services.sender.credentials import Credentials, CredentialsError
from services.sender.fresh_tokens import FreshTokens
from services.sender.gateways import Gateway, Pace, Route
from services.sender.incidents import Incidents, find_incidents
from services.sender.message import Template
from services.sender.outcomes import Outcomes, choose
from services.sender.store import Store
from shared import clock
from shared.amqp.publisher import Publisher
from shared.contracts.messages import BatchReady, BatchResult, Payload
from shared.errors import UnavailableError
from shared.ledger import letters
from shared.ledger.claiming import Claim
from shared.ledger.releasing import Release
from shared.observability import metrics, traces
from shared.topology import BATCHES, RESULTS, RETRY

log = structlog.get_logger()
T = TypeVar("T")

RETRY_FOR = 60.0
"""Seconds to retry the recording of incidents and the publishing of outcomes: later the next batch meets the same
incidents, and sweeps publish the outcomes again. A release is retried for as long as the process lives: its content is
stored nowhere else."""
RETRY_PAUSE = 0.5
"""Seconds between these tries."""


class Sending:
    """Sends batches; `holder` names this process in the ledger's leases, `rng` spreads retries."""

    def __init__(
        self,
        store: Store,
        gateway: Gateway,
        credentials: Credentials,
        publisher: Publisher,
        poller: CampaignPoller,
        *,
        holder: str,
        rng: random.Random | None = None,
    ) -> None:
        self._store = store
        self._gateway = gateway
        self._credentials = credentials
        self._publisher = publisher
        self._poller = poller
        self._draining = asyncio.Event()
        self._claimer = Claimer(store, holder=holder, draining=self._draining)
        self._rng = rng or random.Random()
        self._fresh_tokens = FreshTokens()

    def drain(self) -> None:
        """Start no more requests: what has not been sent is released, what waits for quota goes back."""
        self._draining.set()

    async def send(self, batch: BatchReady) -> None:
        """Send what may be sent of the batch and report it; returning means that the message may be acked."""
        try:
            route = await self._credentials.route(batch.project)
        except CredentialsError as error:
            # Held here, its messages would fill the lane and stop every other project's.
            log.warning("batch.no_credentials", project=batch.project, error=str(error))
            await self._store.without_credentials(batch, str(error))
            return
        template = await self._store.template(batch.campaign_id)
        held = await self._claimer.claim(batch)
        if held is None:
            return
        route = self._credentials.newest(route)
        loop = asyncio.get_running_loop()
        started = loop.time()
        with self._poller.hold(batch.campaign_id):
            outcomes = await self._send(held, route, template)
            await self._report(batch, held.claim, outcomes, route)
        metrics.BATCH_SECONDS.labels(batch.lane).observe(loop.time() - started)

    async def _send(self, held: HeldClaim, route: Route, template: Template) -> Outcomes:
        """Send to the open positions until all are answered, or sending has to stop."""
        claim = held.claim
        open_positions = set(claim.open_positions)
        to_send = choose(claim, open_positions)
        outcomes = Outcomes(claim, to_send)
        if claim.expired:
            outcomes.expire()
            return outcomes
        outcomes.skip(sorted(open_positions - {target.position for target in claim.targets}))
        batch = template.for_batch(now=clock.now(), deadline=claim.deadline)
        with traces.sent(project=claim.project, campaign=claim.campaign_id, messages=len(to_send)) as span:
            await self._gateway.send_batch(
                batch.bodies([(target.kind, target.value) for target in to_send]),
                route=route,
                on_answer=outcomes.write,
                pace=Pace(
                    start_at=held.start_at,
                    per_second=claim.pace,
                    stop_at=held.stop_at,
                    keep_going=lambda: self._keep_going(claim, outcomes),
                ),
            )
            span.set_attributes({"accepted": outcomes.accepted, "answers": outcomes.answers})
        return outcomes

    def _keep_going(self, claim: Claim, outcomes: Outcomes) -> bool:
        if outcomes.stop or self._draining.is_set() or self._poller.stopped(claim.campaign_id):
            return False
        return not self._poller.steered(claim.campaign_id, claim.steered)

    async def _report(self, batch: BatchReady, claim: Claim, outcomes: Outcomes, route: Route) -> None:
        """Release, publish the outcomes, publish the retry; a fenced sender publishes its outcomes only."""
        for code, count in outcomes.by_code().items():
            metrics.FCM_ANSWERS.labels(claim.project, code).inc(count)
        life = None if claim.deadline is None else (claim.deadline - clock.now()).total_seconds()
        incidents = await self._record_incidents(claim, outcomes, route)
        free = incidents.open_circuit is not None or incidents.stop_campaign is not None
        release = outcomes.settle(life=life, free=free, rng=self._rng)
        epoch = await self._with_retries("release", lambda: self._store.release(claim, release), patience=math.inf)
        known = release.outcomes if epoch is not None else letters.observed(release.outcomes)
        if known.strip("."):
            result = BatchResult(
                campaign_id=claim.campaign_id,
                batch_no=claim.batch_no,
                epoch=claim.epoch,
                outcomes=known,
                codes=release.codes,
                dead=release.dead,
                samples=outcomes.samples,
            )
            await self._publish(result, RESULTS, f"result.{claim.lane}")
        if epoch is None:
            log.warning("batch.fenced", campaign_id=claim.campaign_id, batch_no=claim.batch_no, epoch=claim.epoch)
        elif release.retry_after is not None:
            await self._retry(batch, claim, release, epoch)

    async def _retry(self, batch: BatchReady, claim: Claim, release: Release, epoch: int) -> None:
        again = batch.model_copy(update={"epoch": epoch})
        wait = release.retry_after or 0.0
        if wait > 0:
            await self._publish(again, RETRY, f"{rung_for(wait)}.{claim.lane}", attempt=release.attempt)
        else:
            await self._publish(again, BATCHES, f"now.{claim.lane}", attempt=release.attempt)

    async def _record_incidents(self, claim: Claim, outcomes: Outcomes, route: Route) -> Incidents:
        """Record what the answers say about project, platforms and campaign; nearly always nothing."""
        if outcomes.accepted:
            self._fresh_tokens.worked(route)
        if not outcomes.again and not claim.probe and not claim.probing:
            return Incidents()
        loop = asyncio.get_running_loop()
        incidents = find_incidents(
            outcomes.again.values(),
            answers=outcomes.answers,
            accepted=outcomes.accepted + int(claim.proven),
            fresh_token=self._fresh_tokens.fresh(route, now=loop.time()),
            probe=claim.probe,
        )
        if claim.validate_only:
            # A dry run exists to learn whether the payload is valid: its outcomes say so, and it need not be stopped.
            incidents = replace(incidents, stop_campaign=None)
        recovered = outcomes.recovered(incidents)
        if incidents.refresh_credentials:
            try:
                self._fresh_tokens.fetched(await self._credentials.refreshed(route), now=loop.time())
            except CredentialsError as error:
                incidents = replace(incidents, open_circuit=incidents.open_circuit or str(error))
        if incidents.any or recovered.any:
            log.warning("batch.incidents", project=claim.project, incidents=str(incidents), recovered=str(recovered))
            try:
                await self._with_retries(
                    "record incidents", lambda: self._store.record_incidents(claim, incidents, recovered)
                )
            except UnavailableError as error:
                # The release must not wait for it any longer, and the next batch meets the same.
                log.error("batch.incidents_not_recorded", project=claim.project, error=str(error))  # noqa: TRY400
        return incidents

    async def _publish(self, payload: Payload, exchange: str, key: str, *, attempt: int = 0) -> None:
        await self._with_retries("publish", lambda: self._publisher.publish(payload, exchange, key, attempt=attempt))

    async def _with_retries(self, what: str, work: Callable[[], Awaitable[T]], *, patience: float = RETRY_FOR) -> T:
        """Retry for `patience` seconds: only this process knows the outcomes of the batch."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        while True:
            try:
                return await work()
            except UnavailableError as error:
                if loop.time() > deadline:
                    raise
                log.warning("batch.retrying", what=what, error=str(error))
                await asyncio.sleep(RETRY_PAUSE)
