"""The record: counts by token, and what is worked out of them."""

import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.fcm_emulator.answers import ACCEPTED, DELIVERED, Answer
from services.fcm_emulator.record import LINE_TOKENS, Record, rate, summary

Requests = list[tuple[bytes, Answer]]


def recorded(requests: Requests, *, start: float = 1000.0, every: float = 0.05) -> Record:
    """Record requests one after another."""
    record = Record()
    for number, (token, answer) in enumerate(requests):
        nth, now = record.seen.get(token, 0), start + number * every
        if answer is ACCEPTED:
            record.accept(token, nth, now)
        else:
            record.add(token, nth, answer, now)
    return record


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.sampled_from(Answer))))
def test_totals_histories_and_duplicates_agree_with_a_plain_count(requests: Requests) -> None:
    """Whatever came in whatever order."""
    record = recorded(requests)
    expected = Counter(answer for _, answer in requests)
    found = summary([record], Counter())
    assert found["by_answer"] == {answer: count for answer, count in expected.items() if count}
    assert found["requests"] == len(requests)
    delivered = Counter(token for token, answer in requests if answer in DELIVERED)
    assert found["accepted"] == delivered.total()
    assert found["tokens_accepted"] == len(delivered)
    assert found["duplicates"] == delivered.total() - len(delivered)
    for token in (b"a", b"b", b"c"):
        assert dict(record.history(token)) == dict(Counter(answer for t, answer in requests if t == token))
    assert sum(found["per_second"].values()) == delivered.total()


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.sampled_from(Answer))))
def test_the_lines_hold_every_token_once_with_its_history(requests: Requests) -> None:
    """Nothing is lost in grouping."""
    record = recorded(requests)
    lines = [json.loads(line) for line in record.lines("p", "l")]
    tokens = [token for line in lines for token in line["tokens"]]
    assert sorted(tokens) == sorted({token.decode() for token, _ in requests})
    for line in lines:
        assert (line["project"], line["label"]) == ("p", "l")
        for token in line["tokens"]:
            assert dict(record.history(token.encode())) == line["answers"]
        assert line["accepted"] == sum(n for answer, n in line["answers"].items() if Answer(answer) in DELIVERED)


def test_a_line_holds_a_bounded_number_of_tokens() -> None:
    """A large record goes out in several lines."""
    record = recorded([(b"%d" % number, ACCEPTED) for number in range(LINE_TOKENS + 1)])
    assert [len(json.loads(line)["tokens"]) for line in record.lines("p", "")] == [LINE_TOKENS, 1]


def test_times_and_rate_are_those_of_the_requests() -> None:
    """First and last delivery; tenths of a second with requests and accepted."""
    record = recorded([(b"a", Answer.UNAVAILABLE), (b"a", ACCEPTED), (b"b", Answer.HANG)], start=1000.0, every=0.5)
    assert (record.first_accept_at, record.last_accept_at) == (1000.5, 1001.0)
    assert rate([record, Record()]) == [(10000, 1, 0), (10005, 1, 1), (10010, 1, 1)]


def test_what_was_refused_unread_is_in_the_totals() -> None:
    """A request without bearer or body counts as a request, for no token."""
    found = summary([], Counter({Answer.UNAUTHENTICATED: 2}))
    assert (found["requests"], found["accepted"], found["by_answer"]) == (2, 0, {"UNAUTHENTICATED": 2})
    assert (found["first_accept_at"], found["per_second"]) == (None, {})
