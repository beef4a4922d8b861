"""Steps of planning, and what is due: the statements of `planning`, `due`, `closing`."""

from types import SimpleNamespace
from typing import Any

from sqlalchemy import text

from shared.ledger import audiences, closing, due, planning
from tests.chaos.simulation.ledger.memory import Transaction, Values, does
from tests.chaos.simulation.ledger.rows import Batch, Campaign, Device, Plan

UNCLAIMED = ("planned", "queued", "waiting")
USERS = audiences.compile_audience({"kind": "users", "user_ids": []}, steps=True)
DEVICES = audiences.compile_audience({"kind": "devices", "device_ids": []}, steps=True)
"""The audiences beside `all` that are known here: everything else is PostgreSQL's own work."""


def _audience(tx: Transaction, values: Values, upto: int) -> list[Device]:
    """Active devices behind the cursor by id, of everybody or of those that are named."""
    named = set(values["term_0"]) if "term_0" in values else None
    return [
        device
        for device in tx.tables.devices.values()
        if device.active
        and values["cursor"] < device.id <= upto
        and (named is None or device.user_id in named or device.id in named)
    ]


@does(planning.LOCK)
def _lock(tx: Transaction, values: Values) -> list[Any]:
    plan = tx.tables.plans.get(values["id"])
    if plan is None or plan.seq != values["seq"] or plan.done:
        return []
    campaign = tx.tables.campaigns[plan.campaign_id]
    return [
        SimpleNamespace(
            seq=plan.seq,
            cursor=plan.cursor,
            max_id=plan.max_id,
            next_batch_no=plan.next_batch_no,
            status=campaign.status,
            priority=campaign.priority,
            audience=campaign.audience,
            rate=campaign.rate,
            deadline=campaign.deadline,
        )
    ]


@does(planning.WINDOW)
def _window(tx: Transaction, values: Values) -> list[Any]:
    states = [batch.state for batch in tx.batches_of(values["id"])]
    return [
        SimpleNamespace(
            open=sum(state in {"queued", "claimed", "reported"} for state in states),
            held=sum(state in {"planned", "waiting"} for state in states),
        )
    ]


@does(planning.FLOW)
def _flow(tx: Transaction, _: Values) -> list[Any]:
    rates = [p.rate for p in tx.tables.projects.values() if p.circuit_reason is None and p.paused_until <= tx.now]
    sending = sum(campaign.status == "sending" for campaign in tx.tables.campaigns.values())
    return [SimpleNamespace(flow=sum(rates) / max(1, sending))]


@does(
    planning.CUT_ALL,
    text(planning._CUT.format(audience=f"and {USERS.sql}")),
    text(planning._CUT.format(audience=f"and {DEVICES.sql}")),
)
def _cut(tx: Transaction, values: Values) -> list[Any]:
    parts: dict[tuple[str, int], list[int]] = {}
    seen: dict[str, int] = {}
    for device in _audience(tx, values, values["upto"])[: values["devices"]]:
        row = seen.get(device.project_id, 0)
        seen[device.project_id] = row + 1
        parts.setdefault((device.project_id, row // values["size"]), []).append(device.id)
    in_order = sorted(parts.items(), key=lambda part: part[1][0])
    return [
        _add_batch(tx, values, number, project, ids)
        for number, ((project, _), ids) in enumerate(in_order, values["next_batch_no"])
    ]


def _add_batch(tx: Transaction, values: Values, number: int, project: str, ids: list[int]) -> Batch:
    batch = Batch(
        campaign_id=values["id"],
        batch_no=number,
        lane=values["lane"],
        project_id=project,
        size=len(ids),
        outcomes="." * len(ids),
        reported="." * len(ids),
        first_id=ids[0],
        last_id=ids[-1],
        ids=tuple(ids),
        due_at=tx.now + values["grace"],
        since=tx.now,
    )
    return tx.put(tx.tables.batches, (batch.campaign_id, number), batch)


@does(planning.ADVANCE)
def _advance(tx: Transaction, values: Values) -> list[Plan]:
    plan = tx.tables.plans[values["id"]]
    return [
        tx.put(
            tx.tables.plans,
            plan.campaign_id,
            plan.but(
                cursor=values["cursor"],
                seq=plan.seq + 1,
                next_batch_no=values["next_batch_no"],
                done=values["done"],
                touched_at=tx.now,
            ),
        )
    ]


@does(planning.ADD)
def _add(tx: Transaction, values: Values) -> list[Campaign]:
    campaign = tx.tables.campaigns[values["id"]]
    return [
        tx.campaign(
            campaign,
            total=campaign.total + values["n"],
            pending=campaign.pending + values["n"],
            planned_at=tx.now if values["done"] else campaign.planned_at,
        )
    ]


@does(planning.TAKE_PLANNED)
def _take_planned(tx: Transaction, values: Values) -> list[Batch]:
    found = [batch for batch in tx.batches_of(values["id"], "planned") if batch.due_at <= tx.now]
    return [tx.batch(batch, due_at=tx.now + values["grace"]) for batch in found[: values["limit"]]]


@does(planning.STAMP)
def _stamp(tx: Transaction, values: Values) -> list[Batch]:
    stamped = []
    for number, epoch in zip(values["numbers"], values["epochs"], strict=True):
        batch = tx.tables.batches.get((values["id"], number))
        if batch is not None and batch.epoch == epoch and batch.state == "planned":
            stamped.append(tx.batch(batch, state="queued", since=tx.now, due_at=tx.now + values["look"]))
    return stamped


@does(due.SCHEDULED)
def _scheduled(tx: Transaction, values: Values) -> list[Campaign]:
    if any(stop.scope == "system" and stop.undone_at is None for stop in tx.tables.stops.values()):
        return []
    found = [
        (campaign.scheduled_at, campaign.id, campaign)
        for campaign in tx.tables.campaigns.values()
        if campaign.status == "scheduled" and campaign.scheduled_at is not None and campaign.scheduled_at <= tx.now
    ]
    return [campaign for _, _, campaign in sorted(found)[: values["limit"]]]


@does(due.LOST_STEPS)
def _lost_steps(tx: Transaction, values: Values) -> list[Plan]:
    return _touch_lost(tx, values, "sending")


@does(due.LOST_CLOSINGS)
def _lost_closings(tx: Transaction, values: Values) -> list[Plan]:
    return _touch_lost(tx, values, "cancelling")


def _touch_lost(tx: Transaction, values: Values, status: str) -> list[Plan]:
    """A campaign that is being sent has steps until its plan is done; one that is being cancelled has closings."""
    found = [
        plan
        for plan in tx.tables.plans.values()
        if tx.tables.campaigns[plan.campaign_id].status == status
        and plan.touched_at < tx.now - values["age"]
        and not (plan.done and status == "sending")
    ]
    return [tx.put(tx.tables.plans, plan.campaign_id, plan.but(touched_at=tx.now)) for plan in found[: values["limit"]]]


@does(due.LEFTOVERS)
def _leftovers(tx: Transaction, values: Values) -> list[Campaign]:
    found = [
        campaign
        for campaign in tx.tables.campaigns.values()
        if campaign.status == "sending"
        and campaign.planned_at is not None
        and any(batch.due_at <= tx.now for batch in tx.batches_of(campaign.id, "planned"))
    ]
    return found[: values["limit"]]


@does(closing.PLAN)
def _closing_plan(tx: Transaction, values: Values) -> list[Any]:
    plan = tx.tables.plans.get(values["id"])
    if plan is None or tx.tables.campaigns[plan.campaign_id].status != "cancelling":
        return []
    audience = tx.tables.campaigns[plan.campaign_id].audience
    return [SimpleNamespace(done=plan.done, cursor=plan.cursor, max_id=plan.max_id, audience=audience)]


@does(closing.END_PLAN)
def _end_plan(tx: Transaction, values: Values) -> list[Plan]:
    plan = tx.tables.plans[values["id"]]
    ended = plan.but(done=True, seq=plan.seq + 1, touched_at=tx.now)
    return [tx.put(tx.tables.plans, plan.campaign_id, ended)]


@does(closing.TOUCH)
def _touch(tx: Transaction, values: Values) -> list[Plan]:
    plan = tx.tables.plans[values["id"]]
    return [tx.put(tx.tables.plans, plan.campaign_id, plan.but(touched_at=tx.now))]


@does(text(closing.LEFT), text(f"{closing.LEFT} and {USERS.sql}"), text(f"{closing.LEFT} and {DEVICES.sql}"))
def _left(tx: Transaction, values: Values) -> list[Any]:
    return [SimpleNamespace(n=len(_audience(tx, values, values["max_id"])))]


@does(closing.NOT_PLANNED)
def _not_planned(tx: Transaction, values: Values) -> list[Campaign]:
    campaign = tx.tables.campaigns[values["id"]]
    planned_at = tx.now if campaign.planned_at is None else campaign.planned_at
    return [tx.campaign(campaign, planned_at=planned_at, not_planned=values["n"])]


@does(closing.UNCLAIMED)
def _unclaimed(tx: Transaction, values: Values) -> list[Batch]:
    return tx.batches_of(values["id"], *UNCLAIMED)[: values["limit"]]


@does(closing.OPEN)
def _still_open(tx: Transaction, values: Values) -> list[Any]:
    return [SimpleNamespace(more=bool(tx.batches_of(values["id"], *UNCLAIMED, "claimed")))]
