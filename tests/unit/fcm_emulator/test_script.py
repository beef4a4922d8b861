"""Who gets which answer."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.fcm_emulator.answers import ACCEPTED, Answer
from services.fcm_emulator.script import Draw, Latency, Plan, Script, read_latency

TOKENS = [b"token-%07d" % number for number in range(40_000)]


def share(draw: Draw, answer: Answer, nth: int = 0) -> float:
    """Return the share of tokens that get an answer."""
    return sum(draw.answer(token, nth) is answer for token in TOKENS) / len(TOKENS)


@pytest.mark.parametrize("seed", [0, 1, 7, 123_456_789])
def test_shares_are_met_on_consecutive_tokens(seed: int) -> None:
    """Tokens that differ in their last digits are still spread evenly."""
    draw = Draw(seed, {Answer.UNREGISTERED: 0.1, Answer.UNAVAILABLE: 0.05, Answer.HANG: 0.2})
    assert share(draw, Answer.UNREGISTERED) == pytest.approx(0.1, abs=0.01)
    assert share(draw, Answer.UNAVAILABLE) == pytest.approx(0.05, abs=0.01)
    assert share(draw, Answer.HANG) == pytest.approx(0.2, abs=0.01)


@given(token=st.binary(min_size=1, max_size=200), seed=st.integers(), nth=st.integers(0, 500))
def test_a_dead_token_is_dead_at_every_attempt(token: bytes, seed: int, nth: int) -> None:
    """Stable answers do not depend on the attempt."""
    draw = Draw(seed, {Answer.UNREGISTERED: 0.5})
    assert draw.answer(token, nth) is draw.answer(token, 0)


def test_a_failed_attempt_says_nothing_of_the_next() -> None:
    """Of the tokens refused at one attempt, the next refuses the same share."""
    draw = Draw(3, {Answer.UNAVAILABLE: 0.3})
    for nth, following in pairwise(range(6)):
        refused = [token for token in TOKENS if draw.answer(token, nth) is not ACCEPTED]
        again = sum(draw.answer(token, following) is not ACCEPTED for token in refused)
        assert again / len(refused) == pytest.approx(0.3, abs=0.05)


def test_raising_a_share_keeps_the_dead_dead() -> None:
    """More dead tokens are a superset: a token does not come back to life by a rehearsal."""
    few, many = Draw(5, {Answer.UNREGISTERED: 0.01}), Draw(5, {Answer.UNREGISTERED: 0.5})
    dead = [token for token in TOKENS if few.answer(token, 0) is Answer.UNREGISTERED]
    assert dead
    assert all(many.answer(token, 0) is Answer.UNREGISTERED for token in dead)


def test_seeds_choose_different_tokens() -> None:
    """Another seed is another script."""
    one, two = Draw(1, {Answer.UNREGISTERED: 0.5}), Draw(2, {Answer.UNREGISTERED: 0.5})
    same = sum(one.answer(token, 0) is two.answer(token, 0) for token in TOKENS) / len(TOKENS)
    assert same == pytest.approx(0.5, abs=0.05)


@given(token=st.binary(min_size=1), answer=st.sampled_from([a for a in Answer if a is not ACCEPTED]))
def test_a_share_of_one_reaches_every_token(token: bytes, answer: Answer) -> None:
    """All means all, at each attempt; none means none."""
    assert Draw(0, {answer: 1.0}).answer(token, 0) is answer
    assert Draw(0, {answer: 1.0}).answer(token, 9) is answer
    assert Draw(0, {answer: 0.0}).answer(token, 0) is ACCEPTED


def test_stable_and_transient_shares_can_fill_the_whole() -> None:
    """Half dead and half unavailable leaves nobody accepted."""
    draw = Draw(0, {Answer.UNREGISTERED: 0.5, Answer.UNAVAILABLE: 0.5})
    assert share(draw, ACCEPTED) == 0
    assert share(draw, Answer.UNAVAILABLE) == pytest.approx(0.5, abs=0.01)


def test_a_window_opens_and_closes() -> None:
    """An outage lasts as long as its window, and the last open window wins."""
    script = Script.model_validate(
        {
            "shares": {},
            "windows": [
                {"starts": 10, "lasts": 20, "shares": {"UNAVAILABLE": 1}, "latency": "fixed:50ms"},
                {"starts": 15, "lasts": 5, "shares": {"BAD_GATEWAY": 1}},
            ],
        }
    )
    told = [script.answer(b"t", 0, now) for now in (0, 9.9, 10, 15, 19.9, 20, 29.9, 30)]
    down, html = Answer.UNAVAILABLE, Answer.BAD_GATEWAY
    assert told == [ACCEPTED, ACCEPTED, down, html, html, down, down, ACCEPTED]


def test_a_plan_changes_its_latency_with_its_windows() -> None:
    """Slow answers last as long as their window."""
    window = {"starts": 1, "lasts": 1, "shares": {}, "latency": "fixed:50ms"}
    plan = Plan(Script.model_validate({"windows": [window]}), started=100.0)
    latencies = []
    for now in (100.0, 101.5, 102.5):
        plan.answer(b"t", 0, now)
        latencies.append(plan.latency)
    assert latencies == [None, Latency("fixed", 0.05, 0.5), None]


def test_a_token_called_by_name_gets_its_answer_at_every_attempt() -> None:
    """Shares and windows are for the others."""
    window = {"starts": 0, "lasts": 9, "shares": {"INTERNAL": 1}}
    script = Script.model_validate({"shares": {}, "tokens": {"종": "CUT"}, "windows": [window]})
    assert [script.answer("종".encode(), nth, 1) for nth in range(3)] == [Answer.CUT] * 3
    assert script.answer(b"t", 0, 1) is Answer.INTERNAL


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ({"shares": {"UNREGISTERED": 0.7, "UNAVAILABLE": 0.4}}, "add up to 1.1"),
        ({"shares": {"UNREGISTERED": -0.1}}, "between 0 and 1"),
        ({"shares": {"ACCEPTED": 0.1}}, "what the other shares leave"),
        ({"shares": {"GONE": 0.1}}, "UNREGISTERED"),
        ({"windows": [{"starts": 0, "lasts": 1, "shares": {"INTERNAL": 2}}]}, "between 0 and 1"),
        ({"latency": "100"}, "lognormal:100ms"),
        ({"sahres": {}}, "Extra inputs"),
    ],
)
def test_a_wrong_script_is_refused_with_what_is_wrong(script: dict[str, object], problem: str) -> None:
    """The sentence names the figure or the form."""
    with pytest.raises(ValidationError, match=problem):
        Script.model_validate(script)


def test_a_script_survives_its_own_json() -> None:
    """What GET shows, PUT takes."""
    script = Script.model_validate({"latency": "lognormal:100ms:0.3", "quota": {"per_second": 5}, "seed": 4})
    assert Script.model_validate_json(script.model_dump_json()) == script


def test_lognormal_latency_has_the_median_asked_for() -> None:
    """Half of the samples are above the median, all are positive."""
    latency = read_latency("lognormal:100ms:0.5")
    rng = random.Random(1)
    samples = sorted(latency.sample(rng) for _ in range(4001))
    assert samples[2000] == pytest.approx(0.1, rel=0.05)
    assert samples[0] > 0
    assert read_latency("fixed:20ms").sample(rng) == 0.02
