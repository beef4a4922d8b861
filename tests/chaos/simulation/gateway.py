"""The sender's gateway to the FCM in memory; it paces with the services' own `PacedBatch`."""

import asyncio
from dataclasses import dataclass

from services.fcm_emulator.answers import Answer as Word
from services.sender.credentials import CredentialsError
from services.sender.gateways import ACCEPTED, UNPACED, Answer, Fault, Messages, OnAnswer, Pace, Route, TransportError
from services.sender.gateways.fcm import LONGEST_WAIT, TICK
from services.sender.gateways.paced_batch import PacedBatch
from tests.chaos.simulation.boundary import Boundary
from tests.chaos.simulation.fcm import UNCERTAIN, Fcm, Flow, read
from tests.chaos.simulation.weather import Fate

TIMEOUT = 3.0
"""Seconds until a request counts as unanswered; shorter than the margin of a lease, as in production."""

CUT = Answer(error=TransportError(Fault.CUT, sent=True, message="connection cut"))
TIMED_OUT = Answer(error=TransportError(Fault.TIMEOUT, sent=True, message="no answer"))
NO_DOOR = Answer(error=TransportError(Fault.CONNECT, sent=False, message="connection refused"))


@dataclass(slots=True, eq=False)
class Request:
    """One request in flight."""

    batch: PacedBatch
    position: int
    word: Word | None = None


class SimulatedGateway:
    """A process's connections to FCM."""

    def __init__(self, boundary: Boundary, fcm: Fcm) -> None:
        self._boundary = boundary
        self._weather = boundary.weather
        self._process = boundary.process
        self._loop = boundary.process.loop
        self._fcm = fcm
        self._in_flight: dict[Request, None] = {}
        """In the order of their starts; held by themselves: an `id` would be another's as soon as one is answered."""

    async def send_batch(self, messages: Messages, *, route: Route, on_answer: OnAnswer, pace: Pace = UNPACED) -> int:
        """See `Gateway.send_batch`."""
        if not messages:
            return 0
        batch = PacedBatch(messages, route, on_answer, pace, self._loop.create_future())
        self._pump(batch)
        try:
            await batch.done
        except asyncio.CancelledError:
            batch.abandon()
            raise
        if batch.failure is not None:
            raise batch.failure
        return batch.started

    async def close(self, budget: float) -> None:
        """Nothing is left to wait for when the lanes have drained."""

    def cut(self) -> None:
        """Break every connection to FCM: what is in flight stays unanswered, whether it was accepted or not."""
        for request in list(self._in_flight):
            self._loop.call_soon(self._break, request, context=self._process.context)

    def _pump(self, batch: PacedBatch) -> None:
        """Start what is due, and look again when more is."""
        now = self._loop.time()
        for _ in range(batch.due(now)):
            if batch.stopped or self._process.dead:
                break
            self._start(batch)
        batch.settle()
        if not batch.exhausted:
            self._loop.call_later(min(max(batch.next_due_at() - now, TICK), LONGEST_WAIT), self._pump, batch)

    def _start(self, batch: PacedBatch) -> None:
        position = batch.started
        body = batch.messages[position]
        batch.started += 1
        batch.in_flight += 1
        fate = self._weather.fate(self._process.name, "request to FCM")
        self._note_start(batch, position, body)
        if fate is Fate.CRASH_BEFORE:
            self._process.end()
            return
        if fate in (Fate.STALL_BEFORE, Fate.STALL_AFTER):
            self._process.stop(self._weather.stall())
        request = Request(batch, position)
        self._in_flight[request] = None
        if fate is Fate.FAIL_BEFORE:
            self._loop.call_soon(self._answer, request, NO_DOOR)
            return
        self._loop.in_world(self._weather.latency(), self._arrive, request, body)
        if fate is Fate.CRASH_AFTER:
            self._process.end()
        elif fate is Fate.FAIL_AFTER:
            self._loop.call_soon(self.cut)

    def _note_start(self, batch: PacedBatch, position: int, body: bytes) -> None:
        """When it started, under whose rate, and how much later than the place that the ledger gave it.

        A campaign with a rate of its own books its messages at once and sends them over seconds: it is held to its own.
        """
        now, pace, project = self._loop.time(), batch._pace, batch.route.project
        quota = self._fcm.rates[project]
        per_second = pace.per_second or quota
        whole = per_second > 0.99 * quota
        key = read(body)
        flow = Flow(project, quota) if whole else Flow(f"campaign {key[0]}", per_second)
        late = now - self._fcm.slots.get(key, now) - position / per_second
        self._fcm.record.starts.setdefault(flow, []).append((now, late))

    def _arrive(self, request: Request, body: bytes) -> None:
        """A request reaches FCM, though its process may be dead by now; what was cut off before it arrived does not."""
        if request not in self._in_flight:
            return
        project = request.batch.route.project
        word = request.word = self._fcm.receive(project, read(body))
        if word in (Word.HANG, Word.HANG_LOST):
            delay, answer = TIMEOUT, TIMED_OUT
        elif word in (Word.CUT, Word.CUT_LOST):
            delay, answer = 0.0, CUT
        elif word is Word.TRUNCATED:
            delay, answer = 0.0, Answer(200, {}, b"{", TransportError(Fault.CUT, sent=True, message="cut"))
        elif word is Word.ACCEPTED:
            delay, answer = self._weather.latency(), ACCEPTED
        else:
            reply = self._fcm.reply(project, word)
            delay, answer = self._weather.latency(), Answer(reply.status, dict(reply.headers), reply.body)
        self._loop.call_later(delay, self._answer, request, answer, context=self._process.context)

    def _break(self, request: Request) -> None:
        """It stays unanswered, unless its answer was there first; each request counts once."""
        if request in self._in_flight:
            if request.word not in UNCERTAIN:
                self._fcm.record.unanswered[read(request.batch.messages[request.position])] += 1
            self._answer(request, CUT)

    def _answer(self, request: Request, answer: Answer) -> None:
        """The first answer counts: what comes after it comes for nobody."""
        if request not in self._in_flight:
            return
        del self._in_flight[request]
        request.batch.deliver(request.position, answer)
        request.batch.settle()


class SimulatedCredentials:
    """Access tokens; while `missing` there are none."""

    def __init__(self, boundary: Boundary) -> None:
        self._boundary = boundary
        self._routes: dict[str, Route] = {}
        self.missing = False

    async def route(self, project: str) -> Route:
        """See `Credentials.route`."""
        if self.missing:
            raise CredentialsError(f"no access token for {project}")
        known = self._routes.get(project)
        if known is None:
            known = self._routes[project] = Route(project, f"https://fcm/{project}", ())
        return known

    def newest(self, route: Route) -> Route:
        """See `Credentials.newest`."""
        return self._routes.get(route.project, route)

    async def refreshed(self, stale: Route) -> Route:
        """See `Credentials.refreshed`."""
        await asyncio.sleep(self._boundary.weather.latency())
        if self._routes.get(stale.project) is stale:
            del self._routes[stale.project]
        return await self.route(stale.project)
