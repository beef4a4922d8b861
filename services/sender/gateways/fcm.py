"""The gateway that is used: many batches share request handles and connections; answers come by callback.

No task, future or exception per message: at 60 microseconds a message each would be a tenth of the cost.
"""

import asyncio
import math
from collections import Counter, deque
from dataclasses import dataclass, field

from services.sender.gateways import UNPACED, Answer, Fault, Messages, OnAnswer, Pace, Route
from services.sender.gateways.connection_pool import ConnectionPool, PoolOptions
from services.sender.gateways.idle_transfers import IdleTransfers
from services.sender.gateways.paced_batch import PacedBatch
from services.sender.gateways.transfer import Transfer, TransferOptions
from shared.observability import metrics

SLICE = 50
"""Messages that one batch may start before the next batch has its turn: fair between lanes, cheap per message."""

TURN = 100
"""Messages that one turn of the event loop may start: then it reads what has been answered meanwhile. Without a bound
the process becomes a queue of its own, and 2,000 in flight, 90 MB that no cache holds, cost 36 us each; 100 cost 22."""

TICK = 0.005
"""Seconds between looks at paced batches: at 10,000 a second 50 messages, well under one connection's streams."""

STALLED = 1.0
"""Seconds by which a look may come late. Later, this process stood still (stopped, swapped out, its machine paused),
and what was booked for then would come on top of what others have booked for now: it is left to a new booking. Shorter
would give work back for a garbage collection."""

LONGEST_WAIT = 0.25
"""Seconds between checks of batches that wait for their start: the delay until a cancel is noticed."""

SAMPLED = 16
"""One request in so many is timed: a histogram's price for each would be a tenth of a message's CPU."""

DEAD_CONNECTION = 5
"""Timeouts on one connection after which it counts as dead and all connections are replaced."""


@dataclass(frozen=True, slots=True)
class FcmOptions:
    """Limits of the gateway. `max_in_flight`: 10,000 messages a second at 100 ms need 1,000.

    `pool_age`: seconds after which connections are replaced, so that new addresses and balancers are found.
    """

    max_in_flight: int = 1000
    pool_age: float = 1800.0
    pool_rest: float = 30.0
    pool: PoolOptions = field(default_factory=PoolOptions)
    transfer: TransferOptions = field(default_factory=TransferOptions)


class FcmGateway:
    """A `Gateway` over libcurl; construct and use it on one event loop."""

    def __init__(self, options: FcmOptions) -> None:
        self._loop = asyncio.get_running_loop()
        self._options = options
        self._batches: deque[PacedBatch] = deque()
        self._idle = IdleTransfers()
        self._timer: asyncio.Handle | None = None
        self._look_at = math.inf
        self._turn_is_full = False
        self._timeouts: Counter[int] = Counter()
        self._pool = self._new_pool()
        self._retiring: list[ConnectionPool] = []
        self._closing = False
        self._quiet = asyncio.Event()

    @property
    def in_flight(self) -> int:
        """Requests started and not answered."""
        return self._pool.active + sum(pool.active for pool in self._retiring)

    async def send_batch(self, messages: Messages, *, route: Route, on_answer: OnAnswer, pace: Pace = UNPACED) -> int:
        """See `Gateway.send_batch`."""
        if self._closing or not messages:
            return 0
        batch = PacedBatch(messages, route, on_answer, pace, self._loop.create_future())
        self._batches.append(batch)
        self._pump()
        try:
            await batch.done
        except asyncio.CancelledError:
            batch.abandon()
            raise
        if batch.failure is not None:
            raise batch.failure
        return batch.started

    async def close(self, budget: float) -> None:
        """See `Gateway.close`. Safe to call twice."""
        self._closing = True
        for batch in self._batches:
            batch.stopped = True
            batch.settle()
        self._batches.clear()
        if not self.in_flight:
            self._quiet.set()
        try:
            async with asyncio.timeout(budget):
                await self._quiet.wait()
        except TimeoutError:
            for pool in (self._pool, *self._retiring):
                for transfer in pool.abort_all():
                    self._deliver(transfer, transfer.aborted())
        if self._timer is not None:
            self._timer.cancel()
        for pool in (self._pool, *self._retiring):
            pool.close()
        self._retiring.clear()
        self._idle.close()

    def _new_pool(self) -> ConnectionPool:
        self._timeouts.clear()
        return ConnectionPool(self._options.pool, self._on_done, self._on_drained)

    def _pump(self) -> None:
        """Start what is due, a slice of each batch in turn, as far as turn and handles reach; set the next look."""
        if self._turn_is_full:
            return
        now = self._loop.time()
        self._renew_pool(now)
        batches = self._batches
        if now - self._look_at > STALLED:
            for batch in batches:
                batch.miss(now)
        turns = len(batches)
        room = min(TURN, self._options.max_in_flight - self.in_flight)
        while turns and room > 0:
            turns -= 1
            batch = batches.popleft()
            count = min(batch.due(now), SLICE, room)
            self._start(batch, count)
            room -= count
            if batch.exhausted:
                batch.settle()
                continue
            batches.append(batch)
            if count == SLICE:
                turns = len(batches)
        self._look_again(now, turn_is_full=room == 0)

    def _look_again(self, now: float, *, turn_is_full: bool) -> None:
        """Paced batches need a timer; when no handle is left the next answer is the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._look_at = math.inf
        if not self._batches or self.in_flight >= self._options.max_in_flight:
            return
        if turn_is_full:
            self._turn_is_full = True
            self._timer = self._loop.call_soon(self._next_turn)
            self._look_at = now
        else:
            due_at = min(batch.next_due_at() for batch in self._batches)
            wait = min(max(due_at - now, TICK), LONGEST_WAIT)
            self._timer = self._loop.call_later(wait, self._pump)
            self._look_at = now + wait

    def _next_turn(self) -> None:
        self._turn_is_full = False
        self._pump()

    def _start(self, batch: PacedBatch, count: int) -> None:
        """Start the batch's next messages; a body or route that cannot be used fails this batch only."""
        for position in range(batch.started, batch.started + count):
            transfer = self._idle.take(batch.route.project) or Transfer(self._options.transfer)
            try:
                transfer.load(batch, position, batch.messages[position])
            except Exception as error:  # noqa: BLE001 - the messages are the caller's; its error is raised in send_batch
                transfer.close()
                batch.fail(error)
                return
            batch.started = position + 1
            batch.in_flight += 1
            self._pool.start(transfer)

    def _on_done(self, transfer: Transfer, code: int, text: str) -> None:
        if code == 0:
            answer = transfer.answer()
            if transfer.position % SAMPLED == 0:
                metrics.FCM_SECONDS.labels(transfer.project).observe(transfer.seconds)
        else:
            answer = transfer.failure(code, text)
            if answer.error is not None and answer.error.fault is Fault.TIMEOUT:
                self._timeouts[transfer.connection_id] += 1
        self._deliver(transfer, answer)

    def _deliver(self, transfer: Transfer, answer: Answer) -> None:
        batch = transfer.unload()
        self._idle.put(transfer)
        batch.deliver(transfer.position, answer)
        if not batch.in_flight:
            batch.settle()

    def _on_drained(self) -> None:
        """Answers have freed handles."""
        for pool in [pool for pool in self._retiring if not pool.active]:
            self._retiring.remove(pool)
            pool.close()
        self._pump()
        if self._closing and not self.in_flight:
            self._quiet.set()

    def _renew_pool(self, now: float) -> None:
        """Replace all connections when they are old, or when one is closed or answers no requests any more."""
        age = now - self._pool.born
        dead = age > self._options.pool_rest and max(self._timeouts.values(), default=0) >= DEAD_CONNECTION
        if age > self._options.pool_age or dead or self._pool.broken or self._pool.deserted:
            if self._pool.active:
                self._retiring.append(self._pool)
            else:
                self._pool.close()
            self._pool = self._new_pool()
