"""A batch on its way: which message starts when. Time comes in as an argument; nothing here touches the network."""

import asyncio

from services.sender.gateways import Answer, Messages, OnAnswer, Pace, Route

CATCH_UP = 0.02
"""Seconds of its pace that a batch may start at once after a stall; what it lost beyond that is moved back, so that a
stalled sender does not come back with a burst over the quota."""


class PacedBatch:
    """The messages of one batch, started in order; `done` is set when none is left to start and none in flight."""

    __slots__ = (
        "_anchor",
        "_pace",
        "done",
        "failure",
        "in_flight",
        "messages",
        "on_answer",
        "route",
        "started",
        "stopped",
    )

    def __init__(
        self, messages: Messages, route: Route, on_answer: OnAnswer, pace: Pace, done: asyncio.Future[None]
    ) -> None:
        self.messages = messages
        self.route = route
        self.on_answer = on_answer
        self.done = done
        self.started = 0
        self.in_flight = 0
        self.stopped = False
        self.failure: Exception | None = None
        self._pace = pace
        self._anchor = pace.start_at

    def due(self, now: float) -> int:
        """How many messages may start now; 0 also once the batch has stopped."""
        if self.stopped:
            return 0
        pace = self._pace
        if now >= pace.stop_at or not self._may_go_on():
            self.stopped = True
            return 0
        left = len(self.messages) - self.started
        if now < pace.start_at:
            return 0
        if pace.per_second is None:
            return left
        due = int((now - self._anchor) * pace.per_second) + 1 - self.started
        most = max(1, int(CATCH_UP * pace.per_second))
        if due > most:
            self._anchor += (due - most) / pace.per_second
        return max(0, min(left, due, most))

    def miss(self, now: float) -> None:
        """Start nothing more if its time has begun: the sender stood still in it, and now is booked by others."""
        if self._pace.per_second is not None and now >= self._pace.start_at:
            self.stopped = True

    def _may_go_on(self) -> bool:
        try:
            return self._pace.keep_going()
        except Exception as error:  # noqa: BLE001 - the question is the caller's; its error is raised in send_batch
            self.fail(error)
            return False

    def next_due_at(self) -> float:
        """When the next message may start; in the past when it is due already."""
        pace = self._pace
        if pace.per_second is None:
            return pace.start_at
        return min(self._anchor + self.started / pace.per_second, pace.stop_at)

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left to start."""
        return self.stopped or self.started >= len(self.messages)

    def deliver(self, position: int, answer: Answer) -> None:
        """Hand an answer over; a callback that fails stops the batch, and `settle` makes its error known."""
        self.in_flight -= 1
        try:
            self.on_answer(position, answer)
        except Exception as error:  # noqa: BLE001 - the callback is the caller's; its error is raised in send_batch
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Start nothing more because of `error`; the first one counts."""
        self.stopped = True
        self.failure = self.failure or error

    def abandon(self) -> None:
        """Start nothing more and forget the answers to come: the caller is gone."""
        self.stopped = True
        self.on_answer = _forget

    def settle(self) -> None:
        """Set `done` when it is due."""
        if self.exhausted and not self.in_flight and not self.done.done():
            self.done.set_result(None)


def _forget(_position: int, _answer: Answer) -> None:
    """Answers of an abandoned batch."""
