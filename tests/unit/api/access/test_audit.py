"""What the audit log keeps."""

from services.api.access.audit import MAX_ITEMS, MAX_VALUE, redacted


def test_secrets_and_tokens_are_not_kept_wherever_they_are() -> None:
    """The rest is."""
    told = redacted({"name": "shop", "key": "crl_1", "lines": [{"target": {"kind": "token", "value": "t"}}]})
    assert told == {"name": "shop", "key": "(not kept)", "lines": [{"target": "(not kept)"}]}


def test_what_is_long_is_cut() -> None:
    """A list of 10,000 users says how many there were."""
    told = redacted({"user_ids": [str(number) for number in range(10_000)], "body": "x" * (MAX_VALUE + 1)})
    assert len(told["user_ids"]) == MAX_ITEMS + 1
    assert told["user_ids"][-1] == f"({10_000 - MAX_ITEMS} more)"
    assert told["body"] == "x" * MAX_VALUE + "…"


def test_a_null_character_is_left_out() -> None:
    """PostgreSQL keeps none in JSON."""
    assert redacted({"title": "a\x00b"}) == {"title": "ab"}
