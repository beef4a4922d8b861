"""The books of a schedule, compared: ledger, counters, events, FCM's record, broker. Pure but for reading them.

What both kinds of chaos promise alike is in `tests.chaos.checker`; here are its state, and what only a world in memory
can tell exactly: which request stayed unanswered, which lease was lost, how late a request started.
"""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from deploy.local.audit import Entry, Seen
from services.fcm_emulator.answers import Answer as Word
from shared.contracts.messages import BatchReady
from shared.ledger.letters import NAMES, UNKNOWN, join
from shared.topology import DEAD_LETTERS
from tests.chaos import checker
from tests.chaos.checker.state import CampaignBooks, State
from tests.chaos.simulation.broker.server import Broker
from tests.chaos.simulation.fcm import Record
from tests.chaos.simulation.ledger import Ledger
from tests.chaos.simulation.ledger.rows import Batch, Campaign

WINDOW = 1.0
"""Seconds over which a quota is counted."""
FINE = 0.01
"""Seconds that a start may be away from its place: a gateway looks every five thousandths."""
EXAMPLES = 3


@dataclass(slots=True)
class Findings:
    """What is wrong, and what was done in all."""

    wrong: list[str] = field(default_factory=list)
    campaigns: Counter[str] = field(default_factory=Counter)
    devices: int = 0
    repeats: int = 0


def compare(ledger: Ledger, record: Record, broker: Broker) -> Findings:
    """Hold everything against everything."""
    books = [_books(ledger, campaign, record) for campaign in ledger.tables.campaigns.values()]
    state = State(
        campaigns=books,
        inactive=frozenset(device.target for device in ledger.tables.devices.values() if not device.active),
        heard={campaign: {n: frozenset(texts) for n, texts in told.items()} for campaign, told in broker.heard.items()},
        quota=0.0,
        queues={name: (len(queue.ready), len(queue.unacked)) for name, queue in broker.queues.items()},
        outbox=len(ledger.tables.outbox),
    )
    findings = Findings()
    for name, wrong in checker.check(state).items():
        findings.wrong += [f"{name}: {sentence}" for sentence in wrong]
    findings.wrong += _repeats(ledger, record)
    findings.wrong += _doubts(ledger, record)
    findings.wrong += _rates(record)
    findings.wrong += _forgotten(ledger, broker)
    findings.campaigns.update(campaign.status for campaign in ledger.tables.campaigns.values())
    findings.devices = sum(len(campaign.entries) for campaign in books)
    findings.repeats = sum(count - 1 for count in record.accepted.values())
    if dead := len(broker.queues[DEAD_LETTERS.name].ready):
        findings.wrong.append(f"{dead} dead letters, and nothing malformed was ever published")
    return findings


def _books(ledger: Ledger, campaign: Campaign, record: Record) -> CampaignBooks:
    """A campaign's books as the checker of both kinds of chaos reads them."""
    tables = ledger.tables
    entries = [
        Entry(
            target=tables.devices[id_].target,
            letter=letter,
            active=tables.devices[id_].active,
            may_repeat=batch.doubt and campaign.delivery == "at_least_once",
        )
        for batch in _batches(ledger, campaign.id)
        for id_, letter in zip(batch.ids, batch.outcomes, strict=True)
    ]
    seen = {
        token: Seen(record.accepted[key], record.refused.get(key) is Word.UNREGISTERED)
        for key in {*record.accepted, *record.refused, *record.unanswered}
        if key[0] == campaign.id
        for token in key[1:]
    }
    events = [event for event in tables.events.values() if event.campaign_id == campaign.id]
    return CampaignBooks(
        id=campaign.id,
        status=campaign.status,
        delivery=campaign.delivery,
        counters={"total": campaign.total, **{name: getattr(campaign, name) for name in NAMES.values()}},
        entries=entries,
        seen=seen,
        repeats_allowed=sum(record.unanswered[campaign.id, entry.target] for entry in entries)
        + sum(batch.lost * batch.size for batch in _batches(ledger, campaign.id)),
        rate=campaign.rate,
        arrivals=(),
        last_seq=campaign.campaign_seq,
        events=[(event.campaign_seq, event.name) for event in events],
    )


def _batches(ledger: Ledger, campaign_id: int) -> list[Batch]:
    return [batch for batch in ledger.tables.batches.values() if batch.campaign_id == campaign_id]


def _repeats(ledger: Ledger, record: Record) -> list[str]:
    """Each repeat of each device has a reason of its own: a lease that was lost, or a request that nobody answered."""
    wrong = []
    for batch in ledger.tables.batches.values():
        for id_ in batch.ids:
            key = (batch.campaign_id, ledger.tables.devices[id_].target)
            allowed = batch.lost + record.unanswered[key]
            if record.accepted[key] - 1 > allowed:
                wrong.append(
                    f"{key[1]} got campaign {key[0]} {record.accepted[key]} times; its batch {batch.batch_no} lost "
                    f"{batch.lost} leases, and {record.unanswered[key]} requests for it stayed unanswered"
                )
    return wrong[:EXAMPLES]


def _doubts(ledger: Ledger, record: Record) -> list[str]:
    """Unknown is said only where somebody did not answer, or a lease was lost."""
    wrong = []
    for batch in ledger.tables.batches.values():
        tokens = [ledger.tables.devices[id_].target for id_ in batch.ids]
        reasons = batch.lost + sum(record.unanswered[batch.campaign_id, token] for token in tokens)
        if UNKNOWN in batch.outcomes and not reasons:
            wrong.append(f"batch {batch.batch_no} of campaign {batch.campaign_id} is {batch.outcomes} for no reason")
    return wrong[:EXAMPLES]


def _forgotten(ledger: Ledger, broker: Broker) -> list[str]:
    """What a result has said stands, or something greater; only a wiped queue may take one along."""
    wrong = []
    for result in () if broker.wiped else broker.results:
        outcomes = ledger.tables.batches[result.campaign_id, result.batch_no].outcomes
        if join(outcomes, result.outcomes) != outcomes:
            wrong.append(
                f"batch {result.batch_no} of campaign {result.campaign_id} is {outcomes}, "
                f"a result of epoch {result.epoch} said {result.outcomes}"
            )
    return wrong[:EXAMPLES]


def stranded(ledger: Ledger, broker: Broker) -> list[str]:
    """A batch that is `queued` is in a queue, now and always; where queues are wiped, sweeps look after it."""
    queued = [batch for batch in ledger.tables.batches.values() if batch.state == "queued"]
    if broker.wiped or not queued:
        return []
    known = {_key(BatchReady.model_validate_json(body)) for body in broker.bodies(BatchReady.type)}
    return [
        f"batch {batch.batch_no} of campaign {batch.campaign_id} is queued at epoch {batch.epoch}, and in no queue"
        for batch in queued
        if ledger.tables.campaigns[batch.campaign_id].status in {"sending", "paused"} and _key(batch) not in known
    ]


def _key(batch: Batch | BatchReady) -> tuple[int, int, int]:
    return batch.campaign_id, batch.batch_no, batch.epoch


def _rates(record: Record) -> list[str]:
    """In no second did more start than the rate allows, but for those that started late, each at its own pace."""
    wrong = []
    for flow, starts in record.starts.items():
        starts.sort()
        times = [at for at, _ in starts]
        for place, (at, _) in enumerate(starts):
            end = bisect_left(times, at + WINDOW)
            late = max(lateness for _, lateness in starts[place:end])
            allowed = flow.per_second * (WINDOW + max(0.0, late) + FINE) + 1
            if end - place > allowed:
                wrong.append(
                    f"{flow.who}: {end - place} requests started in the second from {at:.3f}, "
                    f"the rate is {flow.per_second:.1f} a second, and they were at most {late:.3f} s late"
                )
                break
    return wrong
