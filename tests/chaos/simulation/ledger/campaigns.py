"""A campaign's row, its events and the outbox: the statements of `campaigns`, `steering`, `completion`, `events`."""

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from services.sender.store import CONTENT, HELD
from shared import outbox
from shared.ledger import campaigns, completion, events, steering
from tests.chaos.simulation.ledger.memory import Transaction, Values, does
from tests.chaos.simulation.ledger.rows import Batch, Campaign, Event, Plan, Queued, Stop

UNSENT = ("draft", "scheduled")
OPEN = ("planned", "queued", "claimed", "waiting")


def _in(tx: Transaction, values: Values, *states: str) -> Campaign | None:
    campaign = tx.tables.campaigns.get(values["id"])
    return campaign if campaign is not None and campaign.status in states else None


def _stopped(tx: Transaction) -> bool:
    return any(stop.scope == "system" and stop.undone_at is None for stop in tx.tables.stops.values())


@does(campaigns.SHARE_SENDS, campaigns.HOLD_SENDS)
def _locks(_tx: Transaction, _values: Values) -> list[Any]:
    return [None]


@does(campaigns.SEND)
def _send(tx: Transaction, values: Values) -> list[Any]:
    campaign = _in(tx, values, *UNSENT)
    if campaign is None or _stopped(tx):
        return []
    deadline = tx.at + timedelta(seconds=campaign.ttl_seconds)
    sent = tx.campaign(campaign, status="sending", sent_at=tx.now, deadline=deadline)
    return [SimpleNamespace(id=sent.id, status=sent.status, priority=sent.priority, deadline=deadline, to_freeze=False)]


@does(campaigns.START_PLAN)
def _start_plan(tx: Transaction, values: Values) -> list[Plan]:
    plan = Plan(values["id"], max_id=max(tx.tables.devices, default=0), touched_at=tx.now)
    return [tx.put(tx.tables.plans, plan.campaign_id, plan)]


@does(campaigns.PAUSE)
def _pause(tx: Transaction, values: Values) -> list[Campaign]:
    campaign = _in(tx, values, "sending")
    return [] if campaign is None else [tx.campaign(campaign, status="paused")]


@does(campaigns.STOP)
def _stop(tx: Transaction, values: Values) -> list[Campaign]:
    campaign = _in(tx, values, "sending")
    if campaign is None or campaign.accepted:
        return []
    return [tx.campaign(campaign, status="paused", stopped=json.loads(values["reason"]))]


@does(campaigns.RESUME)
def _resume(tx: Transaction, values: Values) -> list[Campaign]:
    campaign = _in(tx, values, "paused")
    return [] if campaign is None else [tx.campaign(campaign, status="sending", stopped=None, stop_id=None)]


@does(campaigns.PLANNED_DUE)
def _planned_due(tx: Transaction, values: Values) -> list[Batch]:
    return _make_due(tx, values["id"]) if _in(tx, values, "paused") else []


@does(steering.DUE_NOW)
def _due_now(tx: Transaction, values: Values) -> list[Batch]:
    return _make_due(tx, values["id"])


def _make_due(tx: Transaction, campaign_id: int) -> list[Batch]:
    return [tx.batch(batch, due_at=tx.now) for batch in tx.batches_of(campaign_id, "planned")]


@does(campaigns.CANCEL)
def _cancel(tx: Transaction, values: Values) -> list[Campaign]:
    campaign = _in(tx, values, "sending", "paused")
    return [] if campaign is None else [tx.campaign(campaign, status="cancelling")]


@does(campaigns.CANCEL_UNSENT)
def _cancel_unsent(tx: Transaction, values: Values) -> list[Campaign]:
    campaign = _in(tx, values, *UNSENT)
    if campaign is None:
        return []
    return [tx.campaign(campaign, status="cancelled", completed_at=tx.now, planned_at=tx.now)]


@does(campaigns.PLAN)
def _plan(tx: Transaction, values: Values) -> list[Plan]:
    found = tx.tables.plans.get(values["id"])
    return [] if found is None else [found]


@does(campaigns.STATUS, CONTENT)
def _read(tx: Transaction, values: Values) -> list[Campaign]:
    found = tx.tables.campaigns.get(values["id"])
    return [] if found is None else [found]


@does(HELD)
def _held(tx: Transaction, values: Values) -> list[Campaign]:
    return [tx.tables.campaigns[id_] for id_ in values["ids"] if id_ in tx.tables.campaigns]


@does(completion.COMPLETE)
def _complete(tx: Transaction, values: Values) -> list[Campaign]:
    campaign = _in(tx, values, "sending", "paused", "cancelling")
    if campaign is None or campaign.planned_at is None or campaign.pending:
        return []
    status = "cancelled" if campaign.status == "cancelling" else "completed"
    return [tx.campaign(campaign, status=status, completed_at=tx.now)]


@does(events.NUMBER)
def _number(tx: Transaction, values: Values) -> list[Campaign]:
    campaign = tx.tables.campaigns.get(values["id"])
    return [] if campaign is None else [tx.campaign(campaign, campaign_seq=campaign.campaign_seq + 1)]


@does(events.KEEP)
def _keep(tx: Transaction, values: Values) -> list[Event]:
    event = Event(values["id"], values["seq"], values["name"], tx.at, json.loads(values["data"]))
    return [tx.put(tx.tables.events, (event.campaign_id, event.campaign_seq), event)]


@does(outbox.ADD)
def _add(tx: Transaction, values: Values) -> list[Queued]:
    row = Queued(id=next(tx.tables.outbox_ids), created_at=tx.now, **values)
    return [tx.put(tx.tables.outbox, row.id, row)]


@does(steering.FORGET_PACE)
def _forget_pace(tx: Transaction, values: Values) -> list[Any]:
    tx.set_pace(values["id"], None)
    return [None]


@does(steering.NEXT_STEP)
def _next_step(tx: Transaction, values: Values) -> list[Plan]:
    found = tx.tables.plans.get(values["id"])
    if found is None or found.done:
        return []
    return [tx.put(tx.tables.plans, found.campaign_id, found.but(seq=found.seq + 1, touched_at=tx.now))]


@does(steering.LOCK_OPEN)
def _lock_open(tx: Transaction, values: Values) -> list[Batch]:
    return tx.batches_of(values["id"], *OPEN)


@does(steering.MOVE)
def _move(tx: Transaction, values: Values) -> list[Batch]:
    moved = []
    for batch in tx.batches_of(values["id"], *OPEN):
        unclaimed = batch.state in {"planned", "queued"}
        again = {"epoch": batch.epoch + 1, "state": "planned", "due_at": tx.now, "since": tx.now} if unclaimed else {}
        moved.append(tx.batch(batch, lane=values["lane"], **again))
    return moved


@does(steering.SET_COURSE)
def _set_course(tx: Transaction, values: Values) -> list[Campaign]:
    campaign = _in(tx, values, "sending", "paused")
    if campaign is None or campaign.revision != values["revision"]:
        return []
    return [
        tx.campaign(
            campaign,
            rate=values["rate"],
            priority=values["lane"],
            revision=campaign.revision + 1,
            steered=campaign.steered + values["steered"],
        )
    ]


@does(steering.ADD_STOP)
def _add_stop(tx: Transaction, values: Values) -> list[Stop]:
    row = Stop(next(tx.tables.stop_ids), values["scope"], values["project"], values["reason"], values["by"], tx.at)
    return [tx.put(tx.tables.stops, row.id, row)]


@does(steering.PAUSE_ALL)
def _pause_all(tx: Transaction, values: Values) -> list[Campaign]:
    project = values["project"]
    return [
        tx.campaign(campaign, status="paused", stop_id=values["stop"])
        for campaign in list(tx.tables.campaigns.values())
        if campaign.status == "sending"
        and (
            project is None
            or campaign.planned_at is None
            or any(b.project_id == project for b in tx.batches_of(campaign.id, *OPEN, "reported"))
        )
    ]


@does(steering.STOPS)
def _stops(tx: Transaction, _: Values) -> list[Any]:
    held_by: dict[int | None, list[int]] = {}
    for campaign in tx.tables.campaigns.values():
        if campaign.status == "paused":
            held_by.setdefault(campaign.stop_id, []).append(campaign.id)
    return [
        row.but(project=row.project_id, campaigns=held_by.get(row.id, []))
        for row in tx.tables.stops.values()
        if row.undone_at is None
    ]


@does(steering.UNDO)
def _undo(tx: Transaction, values: Values) -> list[Stop]:
    return [
        tx.put(tx.tables.stops, row.id, row.but(undone_at=tx.at))
        for row in list(tx.tables.stops.values())
        if row.undone_at is None and row.id in values["ids"]
    ]
