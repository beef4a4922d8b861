"""A batch's row: the statements of `claiming`, `releasing`, `ending`, `sweeping`, `merging`."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from shared.ledger import claiming, ending, merging, releasing, sweeping
from shared.ledger.letters import NAMES
from tests.chaos.simulation.ledger.memory import Transaction, Values, does
from tests.chaos.simulation.ledger.rows import Batch, Device, Error


def _at_epoch(tx: Transaction, values: Values) -> Batch | None:
    batch = tx.tables.batches.get((values["campaign_id"], values["batch_no"]))
    return batch if batch is not None and batch.epoch == values["epoch"] else None


def _named(tx: Transaction, values: Values) -> Iterator[tuple[int, Batch]]:
    """The batches that two arrays of keys name, with their places there."""
    for place, key in enumerate(zip(values["campaigns"], values["numbers"], strict=True)):
        if (batch := tx.tables.batches.get(key)) is not None:
            yield place, batch


def _with(report: dict[str, list[str]] | None, more: str | None) -> dict[str, list[str]] | None:
    return report if more is None else {**(report or {}), **json.loads(more)}


# Claiming.


@does(claiming.FIND)
def _find(tx: Transaction, values: Values) -> list[Any]:
    batch = _at_epoch(tx, values)
    if batch is None or batch.state not in {"planned", "queued", "waiting"}:
        return []
    campaign = tx.tables.campaigns[batch.campaign_id]
    return [
        SimpleNamespace(
            state=batch.state,
            size=batch.size,
            lane=batch.lane,
            project_id=batch.project_id,
            outcomes=batch.outcomes,
            reported=batch.reported,
            attempt=batch.attempt,
            doubt=batch.doubt,
            status=campaign.status,
            rate=campaign.rate,
            delivery=campaign.delivery,
            max_attempts=campaign.max_attempts,
            deadline=campaign.deadline,
            proven=campaign.accepted > 0,
            steered=campaign.steered,
            kind=campaign.kind,
            expired=campaign.deadline is not None and campaign.deadline <= tx.at,
        )
    ]


@does(claiming.GIVE_BACK)
def _give_back(tx: Transaction, values: Values) -> list[Batch]:
    batch = _at_epoch(tx, values)
    if batch is None:
        return []
    deadline = tx.tables.campaigns[batch.campaign_id].deadline
    due = tx.now + values["wait"]
    due = due if deadline is None else min(due, deadline.timestamp())
    return [tx.batch(batch, state="planned", epoch=batch.epoch + 1, since=tx.now, due_at=due)]


@does(claiming.PACE)
def _pace(tx: Transaction, values: Values) -> list[Any]:
    tat = tx.tables.paces.get(values["campaign_id"], 0.0)
    tx.set_pace(values["campaign_id"], tat)
    return [SimpleNamespace(tat=tat, now=tx.now)]


@does(claiming.BOOK_PACE)
def _book_pace(tx: Transaction, values: Values) -> list[Any]:
    tx.set_pace(values["campaign_id"], values["tat"])
    return [None]


@does(claiming.NOW)
def _now(tx: Transaction, _: Values) -> list[Any]:
    return [SimpleNamespace(now=tx.now)]


@does(claiming.CLAIM)
def _claim(tx: Transaction, values: Values) -> list[Any]:
    batch = _at_epoch(tx, values)
    if batch is None:
        return []
    lease = values["lease_until"]
    tx.batch(batch, state="claimed", holder=values["holder"], since=tx.now, lease_until=lease, due_at=lease)
    devices = [(position, tx.tables.devices.get(id_)) for position, id_ in enumerate(batch.ids)]
    return [
        claiming.Target(
            position=position,
            kind=device.target_kind,
            value=device.target,
            hash=device.target_hash,
            platform=device.platform,
        )
        for position, device in devices
        if device is not None and device.active
    ]


# Releasing, and ending what is open.


@does(releasing.RELEASE)
def _release(tx: Transaction, values: Values) -> list[Batch]:
    batch = _at_epoch(tx, values)
    if batch is None or batch.state != "claimed" or batch.holder != values["holder"]:
        return []
    return [
        tx.batch(
            batch,
            state=values["state"],
            epoch=batch.epoch + 1,
            reported=values["reported"],
            attempt=values["attempt"],
            doubt=values["doubt"],
            report=_with(batch.report, values["report"]),
            holder=None,
            lease_until=None,
            since=tx.now,
            due_at=tx.now + values["due"],
        )
    ]


@does(ending.END)
def _end(tx: Transaction, values: Values) -> list[Batch]:
    return [
        tx.batch(
            batch,
            state="reported",
            epoch=batch.epoch + 1,
            reported=values["reported"][place],
            holder=None,
            lease_until=None,
            doubt=batch.doubt or values["doubt"],
            lost=batch.lost + values["lost"],
            since=tx.now,
            due_at=tx.now + values["grace"],
        )
        for place, batch in _named(tx, values)
    ]


# Sweeping.


@does(sweeping.DUE)
def _due(tx: Transaction, values: Values) -> list[Any]:
    found = [
        batch
        for batch in tx.tables.batches.values()
        if batch.due_at <= tx.now
        and (
            batch.state in {"claimed", "reported"}
            or (batch.state in {"queued", "waiting"} and tx.tables.campaigns[batch.campaign_id].status == "sending")
        )
    ]
    found.sort(key=lambda batch: (batch.due_at, batch.campaign_id, batch.batch_no))
    return [
        batch.but(
            age=tx.now - batch.since,
            delivery=tx.tables.campaigns[batch.campaign_id].delivery,
            status=tx.tables.campaigns[batch.campaign_id].status,
        )
        for batch in found[: values["limit"]]
    ]


@does(sweeping.BACK)
def _back(tx: Transaction, values: Values) -> list[Batch]:
    again = []
    for place, batch in _named(tx, values):
        step = values["steps"][place]
        again.append(
            tx.batch(
                batch,
                state="planned",
                due_at=tx.now,
                since=tx.now,
                holder=None,
                lease_until=None,
                epoch=batch.epoch + step,
                lost=batch.lost + step,
                doubt=batch.doubt or step > 0,
            )
        )
    return again


@does(sweeping.POSTPONE)
def _postpone(tx: Transaction, values: Values) -> list[Batch]:
    return [tx.batch(batch, due_at=tx.now + values["secs"]) for _, batch in _named(tx, values)]


# Merging.


@does(merging.LOCK)
def _lock(tx: Transaction, values: Values) -> list[Batch]:
    return sorted((batch for _, batch in _named(tx, values)), key=lambda batch: (batch.campaign_id, batch.batch_no))


@does(merging.WRITE)
def _write(tx: Transaction, values: Values) -> list[Batch]:
    return [
        tx.batch(
            batch,
            outcomes=values["outcomes"][place],
            report=_with(batch.report, values["reports"][place]),
            finished_at=tx.now if values["done"][place] else None,
            **({"reported": "", "state": "finished", "since": tx.now} if values["done"][place] else {}),
        )
        for place, batch in _named(tx, values)
    ]


@does(merging.COUNT)
def _count(tx: Transaction, values: Values) -> list[Any]:
    campaign = tx.tables.campaigns[values["id"]]
    counted = tx.campaign(
        campaign,
        progress_at=tx.now if campaign.progress_at < tx.now - 1 else campaign.progress_at,
        **{name: getattr(campaign, name) + values[name] for name in NAMES.values()},
    )
    assert counted.balanced, "PostgreSQL's constraint `conservation` would refuse this"
    return [counted.but(tell=counted.progress_at == tx.now)]


@does(merging.ERRORS)
def _errors(tx: Transaction, values: Values) -> list[Error]:
    written = []
    columns = (values["campaigns"], values["codes"], values["counts"], values["samples"])
    for campaign_id, code, more, sample in zip(*columns, strict=True):
        error = tx.tables.errors.get((campaign_id, code), Error(campaign_id, code, 0, ""))
        changed = error.but(count=error.count + more, sample=error.sample or sample)
        written.append(tx.put(tx.tables.errors, (campaign_id, code), changed))
    return written


@does(merging.DEAD_DEVICES)
def _dead_devices(tx: Transaction, values: Values) -> list[Any]:
    found = []
    for place, batch in _named(tx, values):
        position = values["positions"][place]
        id_ = batch.ids[position] if position < batch.size else None
        found.append(SimpleNamespace(id=id_, hash=values["hashes"][place]))
    return found


@does(merging.DEACTIVATE)
def _deactivate(tx: Transaction, values: Values) -> list[Device]:
    gone = []
    for id_, hash_ in zip(values["ids"], values["hashes"], strict=True):
        device = tx.tables.devices.get(id_)
        if device is not None and device.active and device.target_hash.hex() == hash_:
            gone.append(tx.put(tx.tables.devices, id_, device.but(active=False)))
    return gone
