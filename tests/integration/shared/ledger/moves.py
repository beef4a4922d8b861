"""Every move that anybody can make in a play, at any time that it is possible."""

from collections.abc import Callable
from dataclasses import dataclass

from shared.ledger import letters
from shared.ledger.claiming import Claim, NoClaim
from shared.ledger.sweeping import MAX_LOST
from tests.integration.shared.ledger.play import FINAL, ROWS, Play
from tests.integration.shared.ledger.world import Answer, Doing, Sender

SIZE = 2
WHATEVER_FOLLOWS = len(Doing)

GRACE_OVER = """
    update campaign_batch set due_at = now() where campaign_id = :id and batch_no = :number and state = 'planned'
"""


@dataclass(frozen=True)
class Dice:
    """What chance decides in a move: which one, how many, what FCM answers, and two coins."""

    pick: int = 0
    count: int = 4
    answers: tuple[Answer, ...] = (Answer.ACCEPTED,) * SIZE
    heads: bool = True
    tails: bool = False


class Moves(Play):
    """Planner, broker, senders, aggregator, timekeeper, operator."""

    def moves(self) -> dict[Callable[[Dice], None], int]:
        """The moves that are possible now, with their weights: work is common, a disturbance rare."""
        idle, busy = None in self.senders, any(self.senders)
        lane, rung, results = self.broker.lane, self.broker.rung, self.broker.results
        sending, over = self.status == "sending", self.status in FINAL
        can_send = any(sender and sender.to_send for sender in self.senders)
        holds = any(sender and sender.has_message for sender in self.senders)
        weights = {
            self.plan: 8 * sending,
            self.publish: 12 * bool(self.to_publish),
            self.stamp: 6 * bool(self.to_stamp),
            self.crash_planner: bool(self.to_publish or self.to_stamp),
            self.repeat_command: 1 + 3 * sending,
            self.claim: 24 * (bool(lane) and idle),
            self.serve: 8 * (bool(lane) and idle),
            self.send: 6 * can_send,
            self.carry_on: 24 * busy,
            self.crash_sender: 6 * busy,
            self.cut_connection: 2 * holds,
            self.return_from_rungs: 12 * bool(rung),
            self.deliver_twice: 2 * bool(lane or rung or results),
            self.wipe: bool(lane or rung or results),
            self.merge: 10 * bool(results),
            self.sweep: 5 * (bool(self.merged) and not over),
            self.close: 12 * (self.status == "cancelling"),
            self.pause: 2 * sending,
            self.resume: 12 * (self.status == "paused"),
            self.cancel: self.status in {"sending", "paused"},
            self.expire: sending and not self.expired,
            self.uninstall: bool(self.devices) and not over,
        }
        return {move: int(weight) for move, weight in weights.items() if weight}

    # The planner.

    def plan(self, dice: Dice) -> None:
        """Do the ledger's step, and take what waits to be published; a batch's grace for its planner may be over."""
        page = self.run(self.stage.step(self.id, batches=dice.count, size=SIZE))
        if page is not None:
            self.to_publish += page.batches
            for batch in page.batches:
                self.merged[batch.batch_no] = "." * batch.size
        self.run(self.stage.run(GRACE_OVER, id=self.id, number=dice.pick))
        taken = self.run(self.stage.take_planned(self.id))
        self.to_publish += sorted(taken, key=lambda batch: batch.batch_no)
        if dice.heads:
            self.publish(dice)

    def publish(self, dice: Dice) -> None:
        """Get batches confirmed; their stamp may come later, or never."""
        self.broker.lane += self.to_publish
        self.to_stamp += self.to_publish
        self.to_publish.clear()
        while not dice.tails and self.to_stamp:
            self.stamp(dice)

    def stamp(self, dice: Dice) -> None:
        """Stamp a confirmed batch, however late."""
        batch = self.to_stamp.pop(dice.pick % len(self.to_stamp))
        before = self.row(batch.batch_no)
        self.run(self.stage.stamp(batch))
        due = before.state == "planned" and before.epoch == batch.epoch
        assert self.row(batch.batch_no).state == ("queued" if due else before.state)

    def crash_planner(self, _: Dice) -> None:
        """Forget what was not published or stamped."""
        self.to_publish.clear()
        self.to_stamp.clear()

    def repeat_command(self, dice: Dice) -> None:
        """A step of another seq does nothing."""
        seq = self.run(self.stage.value("select seq from campaign_plan where campaign_id = :id", id=self.id))
        assert self.run(self.stage.step(self.id, seq - 1 - dice.pick, batches=1, size=SIZE)) is None

    # The senders.

    def claim(self, dice: Dice) -> None:
        """Deliver a reference to an idle sender; the ledger grants it exactly when it is current and free."""
        batch = self.broker.lane.pop(dice.pick % len(self.broker.lane))
        number = self.senders.index(None)
        before = self.row(batch.batch_no)
        current = before.epoch == batch.epoch and before.state in {"planned", "queued", "waiting"}
        outcome = self.run(self.stage.claim(batch, f"sender-{dice.pick % 2}"))
        if not current:
            assert outcome is NoClaim.STALE
        elif self.status == "paused":
            assert outcome is NoClaim.PAUSED
            assert self.row(batch.batch_no).state == "planned"
        elif self.status != "sending":
            assert outcome is NoClaim.CLOSING
        else:
            assert isinstance(outcome, Claim)
            assert outcome.expired == self.expired
            pushed = self.pushed_under.setdefault((outcome.batch_no, outcome.epoch), [])
            sender = Sender(outcome, before.ids, batch, ["."] * outcome.size, pushed=pushed)
            self.senders[number] = sender
            for position, answer in zip(sender.to_send, dice.answers, strict=False):
                sender.request(position, answer, self.fcm)

    def serve(self, dice: Dice) -> None:
        """Deliver a reference and do all that it asks for without trouble."""
        number = self.senders.index(None)
        self.claim(dice)
        if (sender := self.senders[number]) is not None:
            self.advance(sender, WHATEVER_FOLLOWS)

    def send(self, dice: Dice) -> None:
        """Request one push."""
        able = [sender for sender in self.senders if sender and sender.to_send]
        sender = able[dice.pick % len(able)]
        sender.request(sender.to_send[0], (*dice.answers, Answer.ACCEPTED)[0], self.fcm)

    def carry_on(self, dice: Dice) -> None:
        """Let a sender go some steps: release at any point, outcomes, retry, ack."""
        self.advance(self.pick(dice.pick), dice.count)

    def crash_sender(self, dice: Dice) -> None:
        """Kill a sender: all that it knew is lost, and its message returns."""
        sender = self.pick(dice.pick)
        if sender.has_message:
            self.broker.lane.append(sender.message)
        self.drop(sender)

    def cut_connection(self, dice: Dice) -> None:
        """The broker takes the message back; the sender works on and acks into the void."""
        holding = [sender for sender in self.senders if sender and sender.has_message]
        sender = holding[dice.pick % len(holding)]
        sender.has_message = False
        self.broker.lane.append(sender.message)

    def advance(self, sender: Sender, steps: int) -> None:
        """Go on in the order that the design fixes, from wherever the sender is."""
        acts = {
            Doing.SENDING: self.release,
            Doing.EMITTING: self.emit,
            Doing.RETRYING: self.retry,
            Doing.ACKING: self.drop,
        }
        for _ in range(steps):
            acts[sender.doing](sender)
            if sender not in self.senders:
                return

    def release(self, sender: Sender) -> None:
        """Give the batch back; only the holder at its epoch may say what is next."""
        before = self.row(sender.claim.batch_no)
        holds = before.state == "claimed" and before.epoch == sender.claim.epoch
        known = sender.conclude(expired=self.expired)
        epoch = self.run(self.stage.release_as(sender.claim, known))
        assert epoch == (before.epoch + 1 if holds else None)
        sender.outcomes = known.outcomes if holds else letters.observed(known.outcomes)
        sender.retry_epoch = epoch if known.retry_after is not None else None
        sender.doing = Doing.EMITTING

    def emit(self, sender: Sender) -> None:
        """Publish the outcomes."""
        if (result := sender.result()) is not None:
            self.broker.results.append(result)
        sender.doing = Doing.RETRYING

    def retry(self, sender: Sender) -> None:
        """Publish the retry, if one is due."""
        if sender.retry_epoch is not None:
            self.broker.rung.append(sender.message.model_copy(update={"epoch": sender.retry_epoch}))
        sender.doing = Doing.ACKING

    # The broker.

    def return_from_rungs(self, _: Dice) -> None:
        """Bring retries back to their lane."""
        self.broker.lane += self.broker.rung
        self.broker.rung.clear()

    def deliver_twice(self, dice: Dice) -> None:
        """Repeat some message."""
        if references := self.broker.lane + self.broker.rung:
            self.broker.lane.append(references[dice.pick % len(references)])
        if self.broker.results:
            self.broker.results.append(self.broker.results[dice.pick % len(self.broker.results)])

    def wipe(self, _: Dice) -> None:
        """Lose every message, also those that senders hold unacked."""
        self.broker.wipe()
        for sender in filter(None, self.senders):
            sender.has_message = False

    # The aggregator and the timekeeper.

    def merge(self, dice: Dice) -> None:
        """Merge a window; a crash before the ack brings it again."""
        start = dice.pick % len(self.broker.results)
        window = self.broker.results[start : start + dice.count]
        self.run(self.stage.merge(*window))
        for result in window:
            pairs = zip(self.merged[result.batch_no], result.outcomes, strict=True)
            self.merged[result.batch_no] = "".join(max(pair, key=letters.ORDER.index) for pair in pairs)
        if dice.heads:
            del self.broker.results[start : start + dice.count]

    def sweep(self, dice: Dice) -> None:
        """Time passes for one batch, and a sweep finds it; a crash may come before its results are published."""
        row = self.row(dice.pick % len(self.merged))
        self.run(self.stage.age(self.id, row.batch_no))
        self.lose_lease(row)
        swept = self.run(self.stage.sweep(["normal"] if dice.tails else []))
        after = self.row(row.batch_no)
        lost = row.state == "claimed"
        assert (after.epoch, after.lost, after.doubt) == (row.epoch + lost, row.lost + lost, row.doubt or lost)
        hopeless = self.delivery == "at_most_once" or after.lost >= MAX_LOST
        if lost:
            assert after.state == ("reported" if hopeless else "planned")
        elif row.state == "reported":
            assert [result.outcomes for result in swept.results] == [row.reported]
        elif row.state in {"queued", "waiting"}:
            assert after.state == (row.state if self.status != "sending" else "planned")
        if dice.heads:
            self.broker.results += sorted(swept.results, key=lambda result: result.batch_no)

    def close(self, dice: Dice) -> None:
        """Do a pass over the cancelled campaign."""
        before = {row.batch_no: row for row in self.run(self.stage.all(ROWS, id=self.id))}
        closed = self.run(self.stage.close(self.id))
        unclaimed = {number for number, row in before.items() if row.state in {"planned", "queued", "waiting"}}
        assert {result.batch_no for result in closed.results} == unclaimed
        assert closed.more == any(row.state == "claimed" for row in before.values())
        for result in closed.results:
            row, after = before[result.batch_no], self.row(result.batch_no)
            assert (after.state, after.epoch, after.reported) == ("reported", row.epoch + 1, result.outcomes)
            for position in letters.open_positions(row.outcomes, row.reported):
                assert result.outcomes[position] == ("?" if row.doubt else "C")
        if dice.heads:
            self.broker.results += closed.results

    # The operator and the devices.

    def pause(self, _: Dice) -> None:
        """Pause."""
        assert self.run(self.stage.pause(self.id)) is not None

    def resume(self, _: Dice) -> None:
        """Go on."""
        assert self.run(self.stage.resume(self.id)) is not None

    def cancel(self, dice: Dice) -> None:
        """Cancel; half the time the operator thinks better of it."""
        if dice.tails:
            assert self.run(self.stage.cancel(self.id)) is not None

    def expire(self, dice: Dice) -> None:
        """Let the deadline pass; as rare as a cancel."""
        if dice.tails:
            self.run(self.stage.run("update campaign set deadline = now() - interval '1 s' where id = :id", id=self.id))
            self.expired = True

    def uninstall(self, dice: Dice) -> None:
        """A device becomes inactive."""
        device = self.devices[dice.pick % len(self.devices)]
        self.run(self.stage.run("update device set active = false where id = :id", id=device))
        self.uninstalled.add(device)
