"""What a dead letter says of itself."""

from datetime import UTC, datetime
from typing import Any

from pamqp.commands import Basic

from services.api.system.dead_letters import Choice, Letter, read

DIED = datetime(2026, 11, 22, 9, tzinfo=UTC)


def letter(headers: dict[str, Any] | None = None, **properties: Any) -> Letter:
    """Read a letter with these headers."""
    return read(b"{}", Basic.Properties(headers=headers, **properties), "new.high")


def test_what_a_service_buried_says_why_and_from_where() -> None:
    """In headers of ours, which a replay leaves behind."""
    headers = {
        "carillon-queue": "sender.high",
        "carillon-routing-key": "now.high",
        "carillon-reason": "KeyError: 7",
        "carillon-request-id": "shop-7",
        "carillon-attempt": 2,
    }
    found = letter(headers, message_id="m1", timestamp=DIED, message_type="push.batch.v1", correlation_id="7")
    assert (found.id, found.queue, found.routing_key, found.reason) == ("m1", "sender.high", "now.high", "KeyError: 7")
    assert (found.died_at, found.kind, found.correlation, found.request_id) == (DIED, "push.batch.v1", "7", "shop-7")
    assert found.headers == {"carillon-request-id": "shop-7", "carillon-attempt": 2}
    assert found.replayable


def test_what_the_broker_gave_up_on_says_it_in_its_own_header() -> None:
    """Which must not travel along: 3.10 would count on, and 4.x ignores it."""
    death = {"queue": "sender.low", "reason": "delivery_limit", "routing-keys": ["new.low"], "time": DIED, "count": 1}
    found = letter({"x-death": [death], "x-delivery-count": 50, "carillon-attempt": 1}, message_id="m2")
    assert (found.queue, found.reason, found.routing_key) == ("sender.low", "delivery_limit", "new.low")
    assert found.died_at == DIED
    assert found.headers == {"carillon-attempt": 1}


def test_what_a_stranger_put_there_is_shown_and_never_replayed() -> None:
    """There is no queue it came from."""
    found = letter(None)
    assert (found.queue, found.reason, found.replayable) == ("unknown", "unknown", False)
    assert found.id == letter(None).id
    odd = letter({"x-death": "nonsense", "carillon-queue": b"sender.high\xff"})
    assert not odd.replayable


def test_a_choice_takes_what_fits_all_it_says() -> None:
    """And all, when it says nothing."""
    one = letter({"carillon-queue": "sender.high", "carillon-reason": "a"}, message_id="m")
    assert Choice().takes(one)
    assert Choice(queue="sender.high", reason="a", ids={"m"}).takes(one)
    assert not Choice(queue="sender.low").takes(one)
    assert not Choice(reason="b", queue="sender.high").takes(one)
    assert not Choice(ids={"n"}).takes(one)
