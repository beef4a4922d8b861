"""The state of a play: one campaign, the world around it, and what must hold after every move."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis.stateful import RuleBasedStateMachine, invariant
from sqlalchemy.engine import Row

from shared.ledger import letters
from tests.integration.shared.ledger.stage import Stage
from tests.integration.shared.ledger.world import Broker, Fcm, Sender

if TYPE_CHECKING:
    from shared.contracts.messages import BatchReady

T = TypeVar("T")

FINAL = {"completed", "cancelled"}

ROWS = """
    select b.*, array(select id from device where id = any(b.ids) and active) as active
      from (select b.*, array(select b.first_id + t.distance
                                from unnest(v.distances) with ordinality as t (distance, n) order by n) as ids
              from campaign_batch b join campaign_batch_distances v using (campaign_id, batch_no)
             where campaign_id = :id) as b
     order by batch_no
"""
CAMPAIGN = """
    select c.*, (select count(*) from campaign_event e
                  where e.campaign_id = c.id and e.name in ('completed', 'cancelled')) as endings
      from campaign c where id = :id
"""


class Play(RuleBasedStateMachine):
    """One campaign of up to three batches, a planner, two senders, an aggregator and a timekeeper, none reliable."""

    runner: asyncio.Runner
    stage: Stage
    delivery: str

    def __init__(self) -> None:
        super().__init__()
        self.broker = Broker()
        self.fcm = Fcm()
        self.senders: list[Sender | None] = [None, None]
        self.to_publish: list[BatchReady] = []
        self.to_stamp: list[BatchReady] = []
        self.merged: dict[int, str] = {}
        self.pushed_under: dict[tuple[int, int], list[int]] = {}
        self.seen: dict[int, tuple[int, int]] = {}
        self.status = "sending"
        self.expired = False
        self.devices: list[int] = []
        self.uninstalled: set[int] = set()
        self.id = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one transition on the play's event loop."""
        return self.runner.run(work)

    # What always holds.

    @invariant()
    def the_ledger_is_true(self) -> None:
        """Conservation, counters equal to letters, no false letter, no dead token active, no unexcused repeat."""
        if self.id == 0:
            return
        (campaign,), rows = self.run(self.stage.all_at_once(CAMPAIGN, ROWS, id=self.id))
        self.status = campaign.status
        counted = Counter("".join(row.outcomes for row in rows))
        for letter, name in letters.NAMES.items():
            assert getattr(campaign, name) == counted[letter], name
        assert campaign.total == sum(row.size for row in rows)
        assert campaign.endings == (campaign.status in FINAL)
        assert campaign.status != "completed" or campaign.planned_at is not None, "completed before it was planned"
        for row in rows:
            self.check_batch(row)

    def check_batch(self, row: Row[Any]) -> None:
        """One batch against the model."""
        assert row.outcomes == self.merged[row.batch_no]
        assert (row.state == "finished") == ("." not in row.outcomes)
        before = self.seen.get(row.batch_no, (0, 0))
        assert before <= (row.epoch, row.lost)
        assert before[1] <= row.lost
        self.seen[row.batch_no] = (row.epoch, row.lost)
        for said in filter(None, (row.outcomes, row.reported)):
            for device, letter in zip(row.ids, said, strict=True):
                pushes = self.fcm.pushes[device]
                assert letter != letters.ACCEPTED or pushes, "accepted, but FCM never saw it"
                assert letter not in letters.INFERRED or not pushes, f"{letter}, but FCM accepted it"
        for device, letter in zip(row.ids, row.outcomes, strict=True):
            assert letter != letters.UNREGISTERED or device not in row.active, "unregistered, and still active"
        for device in row.ids:
            allowed = 1 if self.delivery == "at_most_once" else 1 + self.fcm.excused[device]
            assert self.fcm.pushes[device] <= allowed, "a repeat that nothing excuses"

    # Looking around.

    def row(self, number: int) -> Row[Any]:
        """A batch's row with its ids."""
        return next(row for row in self.run(self.stage.all(ROWS, id=self.id)) if row.batch_no == number)

    def pick(self, number: int) -> Sender:
        """One of the senders that have a batch."""
        busy = [sender for sender in self.senders if sender]
        return busy[number % len(busy)]

    def drop(self, sender: Sender) -> None:
        """Free the sender's place."""
        self.senders[self.senders.index(sender)] = None

    def lose_lease(self, row: Row[Any]) -> None:
        """Whoever holds this row starts no request any more, and what it has pushed may be repeated."""
        if row.state != "claimed":
            return
        claim = (row.batch_no, row.epoch)
        for sender in filter(None, self.senders):
            if (sender.claim.batch_no, sender.claim.epoch) == claim:
                sender.lease_over = True
        for device in self.pushed_under.pop(claim):
            self.fcm.excused[device] += 1
