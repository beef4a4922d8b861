"""One project's decisions: bearer, body, quota, script, record, in this order."""

import json
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest

from services.fcm_emulator.answers import Answer, Reply
from services.fcm_emulator.script import Script
from services.fcm_emulator.sending import Project, Sighting
from tests.support.eventually import eventually

NOW = 1000.0


def project(*, revoked: set[str] | None = None, **script: Any) -> Project:
    """Make a project that accepts all but what the script says."""
    return Project(
        "demo",
        Script.model_validate({"shares": {}, **script}),
        revoked=revoked or set(),
        sightings=deque[Sighting](maxlen=10),
    )


def message(to: str = "t", **request: Any) -> bytes:
    """Encode a request."""
    return json.dumps({"message": {"token": to}, **request}).encode()


class Kept:
    """An exchange that keeps how it ended."""

    def __init__(self) -> None:
        self.ends: list[str] = []

    def accept(self, body: bytes) -> None:
        """Note a 200."""
        self.ends.append(f"200 {json.loads(body)['name'].rpartition('/')[0]}")

    def answer(self, reply: Reply) -> None:
        """Note a reply."""
        self.ends.append(f"{reply.status} whole")

    def break_off(self, reply: Reply, *, missing: int) -> None:
        """Note a reply that breaks off."""
        assert missing > 0
        self.ends.append(f"{reply.status} broken")

    def stream(self, headers: list[tuple[str, str]], chunks: Iterator[bytes]) -> None:
        """No send is answered so."""
        raise NotImplementedError

    def hang(self) -> None:
        """Note a silence."""
        self.ends.append("hang")

    def cut(self) -> None:
        """Note a cut."""
        self.ends.append("cut")


def status(answer: bytes | Reply | Answer) -> int:
    """Return the HTTP status of what was decided."""
    return answer.status if isinstance(answer, Reply) else 200


def test_an_accepted_message_gets_a_name_of_its_own() -> None:
    """A name under the project, never twice."""
    demo = project()
    names = set()
    for _ in range(3):
        answer = demo.decide("Bearer x", message(), NOW)
        assert isinstance(answer, bytes)
        names.add(json.loads(answer)["name"])
    assert len(names) == 3
    assert all(name.startswith("projects/demo/messages/") for name in names)
    assert demo.records[""].seen == {b"t": 3}


@pytest.mark.parametrize(
    ("bearer", "reason"),
    [
        *[(missing, "CREDENTIALS_MISSING") for missing in (None, "", "Basic x", "Bearer", "Bearer ", "Bearer  ", "x")],
        *[(stale, "ACCESS_TOKEN_EXPIRED") for stale in ("Bearer stale", "bearer stale", "BEARER  stale")],
    ],
)
def test_without_a_good_bearer_nothing_is_read(bearer: str | None, reason: str) -> None:
    """401, counted, for no token; the reason tells missing from stale, the metadata what was called."""
    demo = project(revoked={"Bearer stale"})
    answer = demo.decide(bearer, message(), NOW)
    assert isinstance(answer, Reply)
    (info,) = json.loads(answer.body)["error"]["details"]
    assert (answer.status, info["reason"]) == (401, reason)
    assert info["metadata"] == {
        "service": "fcm.googleapis.com",
        "method": "google.firebase.fcm.v1.FcmService.SendMessage",
    }
    assert dict(answer.headers)["www-authenticate"].startswith("Bearer realm=")
    assert demo.records == {}
    assert demo.refused_unread == {Answer.UNAUTHENTICATED: 1}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR "])
def test_the_scheme_of_a_bearer_is_written_in_any_case(scheme: str) -> None:
    """RFC 9110, 11.1."""
    assert status(project().decide(f"{scheme} x", message(), NOW)) == 200


def test_a_topic_is_answered_by_words_of_the_emulators_own() -> None:
    """501: FCM would have sent it."""
    demo = project()
    assert status(demo.decide("Bearer x", b'{"message":{"topic":"news"}}', NOW)) == 501
    assert demo.records == {}


def test_a_bad_body_is_a_400_for_no_token() -> None:
    """Counted, not recorded by token."""
    demo = project()
    assert status(demo.decide("Bearer x", b"{", NOW)) == 400
    assert demo.refused_unread == {Answer.INVALID_ARGUMENT: 1}


def test_validate_only_is_answered_and_not_recorded() -> None:
    """Neither as accepted nor as an attempt."""
    demo = project()
    answer = demo.decide("Bearer x", message(validate_only=True), NOW)
    assert isinstance(answer, bytes)
    assert json.loads(answer) == {"name": "projects/demo/messages/fake_message_id"}
    assert demo.records[""].seen == {}


def test_an_empty_bucket_answers_the_project_429_with_its_wait() -> None:
    """After the quota's worth, with Retry-After until the refill."""
    demo = project(quota={"per_second": 2, "window": 1})
    answers = [demo.decide("Bearer x", message(f"t{n}"), NOW) for n in range(3)]
    assert [status(answer) for answer in answers] == [200, 200, 429]
    refused = answers[2]
    assert isinstance(refused, Reply)
    assert dict(refused.headers)["retry-after"] == "1"
    assert b"SendsPerMinutePerProject" in refused.body
    assert status(demo.decide("Bearer x", message("t2"), NOW + 1)) == 200


def test_a_silence_is_recorded_as_delivered_before_it_falls() -> None:
    """Unknown to the sender, known to the record."""
    demo = project(shares={"HANG": 1})
    assert demo.decide("Bearer x", message(), NOW) is Answer.HANG
    assert demo.records[""].tokens_accepted() == 1
    demo.follow(Script.model_validate({"shares": {"HANG_LOST": 1}}))
    assert demo.decide("Bearer x", message("u"), NOW) is Answer.HANG_LOST
    assert demo.records[""].tokens_accepted() == 1


def test_campaigns_are_recorded_apart_by_their_tag() -> None:
    """The same token in two campaigns is no duplicate."""
    demo = project()
    for tag in ("carillon-1", "carillon-2"):
        body = {"message": {"token": "t", "android": {"notification": {"tag": tag}}}}
        demo.decide("Bearer x", json.dumps(body).encode(), NOW)
    assert {label: record.seen for label, record in demo.records.items()} == {
        "carillon-1": {b"t": 1},
        "carillon-2": {b"t": 1},
    }


def test_a_new_script_is_followed_at_once_and_forgetting_forgets() -> None:
    """The record outlives the script, not the reset."""
    demo = project()
    demo.decide("Bearer x", message(), NOW)
    demo.follow(Script.model_validate({"shares": {"BAD_GATEWAY": 1}}))
    assert status(demo.decide("Bearer x", message(), NOW)) == 502
    assert dict(demo.records[""].history(b"t")) == {Answer.ACCEPTED: 1, Answer.BAD_GATEWAY: 1}
    demo.forget()
    assert demo.records == {}


@pytest.mark.parametrize("latency", [None, "fixed:1ms"])
@pytest.mark.parametrize(
    ("fault", "end"),
    [
        (None, "200 projects/demo/messages"),
        ("UNREGISTERED", "404 whole"),
        ("TRUNCATED", "200 broken"),
        ("HANG", "hang"),
        ("HANG_LOST", "hang"),
        ("CUT", "cut"),
        ("CUT_LOST", "cut"),
    ],
)
async def test_each_fate_ends_its_exchange_in_its_own_way(fault: str | None, end: str, latency: str | None) -> None:
    """Recorded at once; told at once, or when the script's latency is over."""
    demo, exchange = project(shares={fault: 1} if fault else {}, latency=latency), Kept()
    demo.send("Bearer x", message(), exchange)
    assert demo.records[""].seen == {b"t": 1}
    assert exchange.ends == ([] if latency else [end])
    await eventually(lambda: exchange.ends == [end])
