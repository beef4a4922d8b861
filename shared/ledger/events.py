"""A campaign's events: numbered under its row lock, kept in a table, published through the outbox."""

import json
from typing import Any

from sqlalchemy import text

from shared import clock
from shared.contracts.messages import CampaignEvent, ProjectEvent
from shared.db import Writer
from shared.outbox import add_event, add_project_event

NUMBER = text("update campaign set campaign_seq = campaign_seq + 1 where id = :id returning campaign_seq")
KEEP = text("""
    insert into campaign_event (campaign_id, campaign_seq, name, data)
    values (:id, :seq, :name, cast(:data as jsonb)) returning at
""")


async def record_event(tx: Writer, campaign_id: int, name: str, data: dict[str, Any]) -> None:
    """Number, keep and queue one event; `name` is past tense, `data` plain JSON."""
    numbered = await tx.first(NUMBER, {"id": campaign_id})
    if numbered is None:
        return
    kept = await tx.first(
        KEEP, {"id": campaign_id, "seq": numbered.campaign_seq, "name": name, "data": json.dumps(data)}
    )
    assert kept is not None  # noqa: S101 - insert returning has a row
    await add_event(
        tx,
        CampaignEvent(campaign_id=campaign_id, campaign_seq=numbered.campaign_seq, name=name, at=kept.at, data=data),
    )


async def record_project_event(tx: Writer, project: str, name: str, data: dict[str, Any]) -> None:
    """Queue an event about a project; its state is in its row, so that nothing is lost with the event."""
    await add_project_event(tx, ProjectEvent(project=project, name=name, at=clock.now(), data=data))
