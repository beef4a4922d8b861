"""One batch's letters at the end of a claim."""

import json
from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from services.sender.gateways import ACCEPTED, Answer, Fault, TransportError
from services.sender.incidents import BURST, OUTAGE_LEAST, Incidents
from services.sender.outcomes import BLOCKED_WAIT, Outcomes, choose
from shared.ledger.claiming import Claim, Target
from shared.topology import Lane

CLAIM = Claim(
    campaign_id=1,
    batch_no=0,
    epoch=0,
    size=4,
    lane=Lane.NORMAL,
    project="default",
    holder="a",
    outcomes="....",
    reported="....",
    attempt=0,
    max_attempts=3,
    doubt=False,
    at_most_once=False,
    proven=True,
    deadline=None,
    expired=False,
    booked_at=0,
    start_in=0,
    stop_in=90,
    pace=1000,
    limit=4,
    probe=False,
    blocked=frozenset(),
    probing=frozenset(),
    targets=(),
)


TARGETS = tuple(
    Target(position=n, kind="token", value=f"token {n}", hash=bytes([n]) * 16, platform="ios" if n % 2 else "android")
    for n in range(4)
)


def fcm_error(status: int, code: str) -> Answer:
    """FCM's answer with an error detail."""
    detail = {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}
    return Answer(status, {}, json.dumps({"error": {"code": status, "message": code, "details": [detail]}}).encode())


UNREGISTERED = fcm_error(404, "UNREGISTERED")
UNAVAILABLE = fcm_error(503, "UNAVAILABLE")
QUOTA = Answer(429, {"retry-after": "7"}, b'{"error":{"status":"RESOURCE_EXHAUSTED"}}')
TIMEOUT = Answer(error=TransportError(Fault.TIMEOUT, sent=True, message="timed out"))
REFUSED = Answer(error=TransportError(Fault.CONNECT, sent=False, message="refused"))


def collect(claim: Claim, *answers: Answer | None) -> Outcomes:
    """Outcomes of a claim whose positions got these answers; None was never started."""
    outcomes = Outcomes(claim, TARGETS[: claim.size])
    for index, answer in enumerate(answers):
        if answer is not None:
            outcomes.write(index, answer)
    return outcomes


def test_a_batch_that_is_all_answered_is_reported_whole() -> None:
    """Letters, the code and the hash of the dead one."""
    outcomes = collect(CLAIM, ACCEPTED, UNREGISTERED, ACCEPTED, ACCEPTED)
    release = outcomes.settle(life=None, free=False, rng=Random(1))
    assert release.outcomes == "AUAA"
    assert release.retry_after is None
    assert release.codes == {1: "UNREGISTERED"}
    assert release.dead == {1: "01" * 16}


def test_only_what_needs_it_is_tried_again_and_not_before_ten_seconds() -> None:
    """A 503 leaves its position open and costs an attempt."""
    release = collect(CLAIM, ACCEPTED, UNAVAILABLE, ACCEPTED, ACCEPTED).settle(life=None, free=False, rng=Random(1))
    assert release.outcomes == "A.AA"
    assert release.retry_after is not None
    assert release.retry_after >= 10
    assert release.attempt == 1
    assert not release.unanswered


def test_what_was_not_started_costs_no_attempt_and_goes_on_at_once() -> None:
    """A drain or a lease's end leaves positions that nobody tried."""
    release = collect(CLAIM, ACCEPTED, ACCEPTED, None, None).settle(life=None, free=False, rng=Random(1))
    assert release.outcomes == "AA.."
    assert release.retry_after == 0
    assert release.attempt == 0


def test_what_could_not_reach_fcm_costs_no_attempt_and_stops_the_batch_when_it_goes_on() -> None:
    """A single connection's trouble is waited for; only when nothing gets through is it worth no further try."""
    claim = replace(CLAIM, size=OUTAGE_LEAST, outcomes="." * OUTAGE_LEAST, reported="." * OUTAGE_LEAST)
    targets = tuple(TARGETS[0]._replace(position=n) for n in range(OUTAGE_LEAST))
    outcomes = Outcomes(claim, targets)
    for index in range(OUTAGE_LEAST - 1):
        outcomes.write(index, REFUSED)
    assert not outcomes.stop
    outcomes.write(OUTAGE_LEAST - 1, REFUSED)
    assert outcomes.stop
    release = outcomes.settle(life=None, free=False, rng=Random(1))
    assert (release.attempt, release.unanswered) == (0, False)
    assert release.retry_after is not None
    assert release.retry_after >= 10


def test_refused_payloads_stop_the_batch_once_they_are_a_burst() -> None:
    """Sooner, and the burst that stops the campaign would depend on how fast FCM answers."""
    claim = replace(CLAIM, proven=False, size=BURST, outcomes="." * BURST, reported="." * BURST)
    outcomes = Outcomes(claim, tuple(TARGETS[0]._replace(position=n) for n in range(BURST)))
    for index in range(BURST - 1):
        outcomes.write(index, fcm_error(400, "INVALID_ARGUMENT"))
    assert not outcomes.stop
    outcomes.write(BURST - 1, fcm_error(400, "INVALID_ARGUMENT"))
    assert outcomes.stop


def test_exhausted_with_an_answer_is_dead() -> None:
    """Three attempts, each answered."""
    release = collect(replace(CLAIM, attempt=2), *[UNAVAILABLE] * 4).settle(life=None, free=False, rng=Random(1))
    assert release.outcomes == "DDDD"
    assert release.retry_after is None
    assert release.codes == dict.fromkeys(range(4), "UNAVAILABLE")


def test_exhausted_without_an_answer_is_unknown() -> None:
    """Nobody can say that a request without an answer was not delivered."""
    release = collect(replace(CLAIM, attempt=2), TIMEOUT, ACCEPTED, ACCEPTED, ACCEPTED).settle(
        life=None, free=False, rng=Random(1)
    )
    assert release.outcomes == "?AAA"


def test_at_most_once_never_repeats_what_may_have_been_sent() -> None:
    """A timeout is unknown at once; a connection that was refused may be tried again."""
    claim = replace(CLAIM, at_most_once=True)
    release = collect(claim, TIMEOUT, REFUSED, ACCEPTED, ACCEPTED).settle(life=None, free=False, rng=Random(1))
    assert release.outcomes == "?.AA"
    assert release.retry_after is not None
    assert not release.unanswered


def test_at_least_once_repeats_and_leaves_doubt() -> None:
    """The batch remembers that something may have been sent."""
    release = collect(CLAIM, TIMEOUT, ACCEPTED, ACCEPTED, ACCEPTED).settle(life=None, free=False, rng=Random(1))
    assert release.outcomes == ".AAA"
    assert release.unanswered


def test_in_a_batch_with_doubt_nothing_is_inferred() -> None:
    """Dead, expired and skipped would claim that nothing was sent."""
    claim = replace(CLAIM, doubt=True, attempt=2)
    assert collect(claim, *[UNAVAILABLE] * 4).settle(life=None, free=False, rng=Random(1)).outcomes == "????"
    expired = collect(claim)
    expired.expire()
    assert expired.settle(life=-1, free=False, rng=Random(1)).outcomes == "????"
    skipped = collect(claim, ACCEPTED, ACCEPTED, ACCEPTED)
    skipped.skip([3])
    assert skipped.settle(life=None, free=False, rng=Random(1)).outcomes == "AAA?"


def test_a_retry_due_after_the_deadline_is_expired_now() -> None:
    """Nobody waits for a push that may not be sent any more."""
    release = collect(CLAIM, ACCEPTED, UNAVAILABLE, ACCEPTED, ACCEPTED).settle(life=5, free=False, rng=Random(1))
    assert release.outcomes == "AXAA"
    assert release.retry_after is None


def test_the_projects_quota_costs_no_device_an_attempt_and_stops_the_batch() -> None:
    """A 429 of the project is nobody's fault; its Retry-After is obeyed."""
    outcomes = collect(replace(CLAIM, attempt=2), QUOTA, ACCEPTED, ACCEPTED, ACCEPTED)
    release = outcomes.settle(life=None, free=False, rng=Random(1))
    assert release.outcomes == ".AAA"
    assert release.attempt == 2
    assert outcomes.stop
    assert release.retry_after is not None
    assert release.retry_after >= 7


def test_an_outage_costs_no_device_an_attempt() -> None:
    """With `free` the same answers leave everything as it was, to be tried when FCM is back."""
    release = collect(replace(CLAIM, attempt=2), *[UNAVAILABLE] * 4).settle(life=None, free=True, rng=Random(1))
    assert release.outcomes == "...."
    assert release.attempt == 2


def test_a_blocked_platform_waits_and_costs_nothing() -> None:
    """Its devices are not chosen, and the batch comes back later for them."""
    claim = replace(CLAIM, blocked=frozenset({"ios"}), targets=TARGETS)
    chosen = choose(claim, claim.open_positions)
    assert [target.position for target in chosen] == [0, 2]
    outcomes = Outcomes(claim, chosen)
    outcomes.write(0, ACCEPTED)
    outcomes.write(1, ACCEPTED)
    release = outcomes.settle(life=None, free=False, rng=Random(1))
    assert release.outcomes == "A.A."
    assert release.retry_after == BLOCKED_WAIT
    assert release.attempt == 0


def test_a_probed_platform_gets_one_message_and_its_answer_releases_it() -> None:
    """Whatever FCM says about that device: it spoke to the platform."""
    claim = replace(CLAIM, probing=frozenset({"ios"}), targets=TARGETS)
    chosen = choose(claim, claim.open_positions)
    assert [target.position for target in chosen] == [0, 1, 2]
    outcomes = Outcomes(claim, chosen)
    for index in range(3):
        outcomes.write(index, ACCEPTED)
    assert outcomes.recovered(Incidents()).platforms == {"ios"}


def test_a_probe_sends_one_message_and_its_answer_closes_the_circuit() -> None:
    """`limit` is one; accepted or not, FCM answered for the device."""
    claim = replace(CLAIM, probe=True, limit=1, targets=TARGETS)
    outcomes = Outcomes(claim, choose(claim, claim.open_positions))
    assert len(outcomes.targets) == 1
    outcomes.write(0, UNREGISTERED)
    assert outcomes.recovered(Incidents()).project
    assert not outcomes.recovered(Incidents(open_circuit="UNAVAILABLE")).project


ANSWERS = st.sampled_from([ACCEPTED, UNREGISTERED, UNAVAILABLE, QUOTA, TIMEOUT, REFUSED, None])


@given(
    answers=st.lists(ANSWERS, min_size=4, max_size=4),
    attempt=st.integers(0, 2),
    doubt=st.booleans(),
    at_most_once=st.booleans(),
    life=st.none() | st.floats(-10, 10_000),
    free=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_every_position_is_answered_or_comes_again(
    answers: list[Answer | None],
    attempt: int,
    doubt: bool,
    at_most_once: bool,
    life: float | None,
    free: bool,
    seed: int,
) -> None:
    """Nothing is lost: open positions always have a retry, and what was observed is never changed."""
    claim = replace(CLAIM, attempt=attempt, doubt=doubt, at_most_once=at_most_once)
    release = collect(claim, *answers).settle(life=life, free=free, rng=Random(seed))
    assert ("." in release.outcomes) == (release.retry_after is not None)
    assert release.attempt < claim.max_attempts or "." not in release.outcomes
    for answer, letter in zip(answers, release.outcomes, strict=True):
        if answer is ACCEPTED:
            assert letter == "A"
        if answer is UNREGISTERED:
            assert letter == "U"
        if answer is None:
            assert letter == "."
        if answer is TIMEOUT:
            assert letter in ("?" if at_most_once else ".?")
        if doubt:
            assert letter not in "SCXD"
