"""Every operation of the ledger on a row in every state: it moves just the rows that the table of transitions says."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from services.api.campaigns import store
from shared.contracts.messages import BatchReady
from shared.db import Writer
from shared.ledger import campaigns, claiming, states, steering
from shared.ledger.claiming import Claim
from shared.ledger.completion import complete_if_done
from shared.topology import Lane
from tests.integration.shared.ledger.stage import Stage, result
from tests.integration.shared.ledger.watching import watch_transitions

UNSENT = (states.DRAFT, states.SCHEDULED)
OnCampaign = Callable[[Writer, int], Awaitable[Any]]
OnBatch = Callable[[Stage, Claim], Awaitable[Any]]

CAMPAIGN_OPERATIONS: dict[str, tuple[OnCampaign, set[str]]] = {
    "schedule": (lambda tx, id_: store.schedule(tx, id_, datetime.now(UTC), "Asia/Seoul"), {"schedule"}),
    "unschedule": (store.unschedule, {"unschedule"}),
    "delete": (store.delete_draft, {"delete"}),
    "send": (campaigns.send, {"send"}),
    "pause": (campaigns.pause, {"pause"}),
    "refuse": (lambda tx, id_: campaigns.stop(tx, id_, {"code": "INVALID_ARGUMENT"}), {"pause"}),
    "stop all": (lambda tx, _: steering.stop_all(tx, project=None, reason="", by="test"), {"pause"}),
    "resume": (campaigns.resume, {"resume"}),
    "cancel": (campaigns.cancel, {"cancel"}),
    "complete": (complete_if_done, {"complete", "end"}),
}
"""What is done, and the transitions that it may be."""


def expected(table: tuple[states.Transition, ...], names: set[str], state: str) -> str:
    """Where a row is afterwards."""
    found = {transition.target for transition in table if transition.name in names and state in transition.sources}
    assert len(found) <= 1
    return found.pop() if found else state


async def campaign_in(stage: Stage, state: str, *, planned: bool) -> int:
    """Write a campaign that is in this state, as planned as its operation needs."""
    campaign_id = await (stage.draft() if state in UNSENT else stage.sending())
    await stage.run(
        "update campaign set status = :state, planned_at = case when :planned then now() end where id = :id",
        id=campaign_id,
        state=state,
        planned=planned,
    )
    return campaign_id


@pytest.mark.parametrize("operation", CAMPAIGN_OPERATIONS)
async def test_a_campaign_moves_as_the_table_says(stage: Stage, operation: str) -> None:
    """And stays where it is in every other state."""
    act, names = CAMPAIGN_OPERATIONS[operation]
    rows = {
        state: await campaign_in(stage, state, planned="complete" in names and state not in UNSENT)
        for state in states.CAMPAIGN_STATES
    }
    for state, campaign_id in rows.items():
        async with stage.database.write() as tx:
            await act(tx, campaign_id)
        found = await stage.all("select status from campaign where id = :id", id=campaign_id)
        after = found[0].status if found else states.NOWHERE
        assert after == expected(states.CAMPAIGN, names, state), state


async def give_back(stage: Stage, claim: Claim) -> None:
    """As a sender that has the message and may not send."""
    async with stage.database.write() as tx:
        await claiming.give_back(tx, message(claim), wait=0.0)


async def change_lane(stage: Stage, claim: Claim) -> None:
    """As an operator."""
    before, after = steering.Course(None, Lane.NORMAL), steering.Course(None, Lane.HIGH)
    async with stage.database.write() as tx:
        assert await steering.steer(tx, claim.campaign_id, before=before, after=after, revision=0)


async def close(stage: Stage, claim: Claim) -> None:
    """As a planner, of a campaign that was cancelled."""
    await stage.cancel(claim.campaign_id)
    await stage.close(claim.campaign_id)


async def sweep(stage: Stage, claim: Claim) -> None:
    """As a planner, two hours later."""
    await stage.age(claim.campaign_id)
    await stage.sweep()


def message(claim: Claim) -> BatchReady:
    """The message that the claim was made with."""
    return BatchReady(
        campaign_id=claim.campaign_id,
        batch_no=claim.batch_no,
        epoch=claim.epoch,
        size=claim.size,
        lane=claim.lane.value,
        project=claim.project,
        deadline=claim.deadline,
    )


BATCH_OPERATIONS: dict[str, tuple[OnBatch, set[str]]] = {
    "publish": (lambda stage, claim: stage.stamp(message(claim)), {"publish"}),
    "claim": (lambda stage, claim: stage.claim(message(claim), "sender-2"), {"claim"}),
    "give back": (give_back, {"give back"}),
    "report": (lambda stage, claim: stage.release(claim, "AA"), {"report"}),
    "retry": (lambda stage, claim: stage.release(claim, "A."), {"retry"}),
    "change lane": (change_lane, {"change lane"}),
    "sweep": (sweep, {"sweep", "lose"}),
    "sweep at_most_once": (sweep, {"sweep", "give up"}),
    "close": (close, {"close"}),
    "merge": (lambda stage, claim: stage.merge(result(claim, "AA")), {"merge"}),
}
"""What is done, and the transitions that it may be."""


@pytest.mark.parametrize("operation", BATCH_OPERATIONS)
async def test_a_batch_moves_as_the_table_says(stage: Stage, operation: str) -> None:
    """And stays where it is in every other state."""
    act, names = BATCH_OPERATIONS[operation]
    delivery = "at_most_once" if "at_most_once" in operation else "at_least_once"
    for state in states.BATCH_STATES:
        claim = await stage.claimed(2, delivery=delivery)
        await stage.run(
            "update campaign_batch set state = :state where campaign_id = :id", state=state, id=claim.campaign_id
        )
        await act(stage, claim)
        assert (await stage.batch(claim.campaign_id)).state == expected(states.BATCH, names, state), state


def test_every_transition_has_an_operation() -> None:
    """But the first ones, which make a row."""
    for table, operations in ((states.CAMPAIGN, CAMPAIGN_OPERATIONS), (states.BATCH, BATCH_OPERATIONS)):
        tried = {name for _, names in operations.values() for name in names}
        assert tried == {it.name for it in table if states.NOWHERE not in it.sources}


async def test_a_watched_ledger_refuses_what_the_table_has_not(stage: Stage) -> None:
    """The state machine plays on one."""
    await watch_transitions(stage)
    claim = await stage.claimed(2)
    with pytest.raises(IntegrityError, match="no transition"):
        await stage.run("update campaign_batch set state = 'queued'")
    with pytest.raises(IntegrityError, match="no transition"):
        await stage.run("update campaign set status = 'draft'")
    await stage.release(claim, "AA")
