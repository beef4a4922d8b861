"""The operator: registers devices, sends campaigns, and steers them at moments of the plan, as the API would.

Each move is one transaction; afterwards the API's relay is rung, which is played by a planner's, or by nobody: then the
row waits for a look.
"""

from collections.abc import Callable, Coroutine
from functools import partial
from random import Random
from typing import Any

from shared.errors import UnavailableError
from shared.topology import Lane
from tests.chaos.simulation.boundary import at_once
from tests.chaos.simulation.fleet import Fleet
from tests.chaos.simulation.history import History
from tests.chaos.simulation.ledger import Ledger
from tests.chaos.simulation.loop import VirtualLoop
from tests.chaos.simulation.plan import Move, Plan

Act = Callable[[], Coroutine[Any, Any, object]]

LIFE = 86_400
"""Seconds until a campaign without a deadline of its own expires: later than any schedule ends."""
FINAL = ("completed", "cancelled")
AGAIN = 1.0
"""Seconds until an operator tries again what was answered with 503."""


class Operator:
    """Carries out a plan's moves."""

    def __init__(self, loop: VirtualLoop, ledger: Ledger, fleet: Fleet, plan: Plan, history: History) -> None:
        self._loop = loop
        self._ledger = ledger
        self._fleet = fleet
        self._plan = plan
        self._history = history
        self._rng = Random(f"operator {plan.seed}")
        self._campaigns: list[int] = []

    def set_up(self) -> None:
        """Register everything, and put sends and moves on the clock."""
        ledger, plan = self._ledger, self._plan
        for project, rate in plan.rates.items():
            ledger.project(project, rate=rate)
        for planned in plan.devices:
            (id_,) = ledger.devices(1, project=planned.project, platform=planned.platform)
            assert ledger.tables.devices[id_].target == planned.token
        for planned_campaign in plan.campaigns:
            campaign_id = ledger.draft(
                priority=planned_campaign.lane.value,
                delivery=planned_campaign.delivery,
                max_attempts=planned_campaign.max_attempts,
                rate=planned_campaign.rate,
                ttl=planned_campaign.ttl or LIFE,
            )
            self._campaigns.append(campaign_id)
            campaign = ledger.tables.campaigns[campaign_id]
            content = {**campaign.content, "data": {"campaign": str(campaign_id)}}
            ledger.tables.campaigns[campaign_id] = campaign.but(content=content)
            self._loop.in_world(planned_campaign.at, self._send, campaign_id)
        for move in plan.moves:
            self._loop.in_world(move.at, self._move, move)

    def all_final(self) -> bool:
        """Whether every campaign has ended."""
        return all(campaign.status in FINAL for campaign in self._ledger.tables.campaigns.values())

    def resume_all(self) -> None:
        """Nobody leaves a campaign paused for ever."""
        for campaign in list(self._ledger.tables.campaigns.values()):
            if campaign.status == "paused":
                self._done("resume", campaign.id, at_once(self._ledger.resume(campaign.id)))

    def told(self) -> str:
        """What has not ended, for people."""
        tables = self._ledger.tables
        batches = [
            f"batch {batch.batch_no} {batch.state} epoch {batch.epoch} {batch.outcomes}"
            for batch in tables.batches.values()
            if batch.state != "finished"
        ]
        campaigns = [
            f"campaign {campaign.id} {campaign.status} planned_at {campaign.planned_at} pending {campaign.pending}"
            for campaign in tables.campaigns.values()
            if campaign.status not in FINAL
        ]
        return "; ".join(campaigns + batches)

    def _send(self, campaign_id: int) -> None:
        self._try("send", campaign_id, partial(self._ledger.send, campaign_id))

    def _try(self, verb: str, campaign_id: int, act: Act) -> None:
        """Do it, and again a second after a 503: it may have been done."""
        try:
            result = at_once(act())
        except UnavailableError as error:
            self._history.add("operator", verb, campaign_id, repr(error))
            self._loop.in_world(AGAIN, self._try, verb, campaign_id, act)
            return
        self._done(verb, campaign_id, result)

    def _move(self, move: Move) -> None:
        campaign_id = self._campaigns[move.campaign]
        campaign = self._ledger.tables.campaigns[campaign_id]
        if campaign.status == "draft":  # its send was answered with 503
            self._loop.in_world(AGAIN, self._move, move)
            return
        lane, rate = Lane(campaign.priority), campaign.rate
        act: Act
        match move.verb:
            case "pause":
                act = partial(self._ledger.pause, campaign_id)
            case "resume":
                act = partial(self._ledger.resume, campaign_id)
            case "cancel":
                act = partial(self._ledger.cancel, campaign_id)
            case "rate":
                rate = self._rng.choice((None, 0.5, 2.0, 5.0))
                act = partial(self._ledger.steer, campaign_id, rate=rate, lane=lane)
            case _:
                lane = self._rng.choice(tuple(Lane))
                act = partial(self._ledger.steer, campaign_id, rate=rate, lane=lane)
        self._try(move.verb, campaign_id, act)

    def _done(self, verb: str, campaign_id: int, result: object) -> None:
        self._history.add("operator", verb, campaign_id, result)
        planners = [place for place in self._fleet.of("planner") if place.alive]
        if planners and self._rng.random() < 0.7:
            self._rng.choice(planners).running.ring()
