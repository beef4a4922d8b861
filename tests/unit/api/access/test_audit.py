"""What the audit log keeps."""

from services.api.access.audit import (
    MAX_ITEMS,
    MAX_VALUE,
    address,
    redacted,
    user_resource,
)


def test_secrets_and_tokens_are_not_kept_wherever_they_are() -> None:
    """The rest is."""
    told = redacted({"name": "shop", "key": "crl_1", "lines": [{"target": {"kind": "token", "value": "t"}}]})
    assert told == {"name": "shop", "key": "(not kept)", "lines": [{"target": "(not kept)"}]}


def test_users_are_counted_and_not_named() -> None:
    """Whoever asks to be forgotten is not in the log for another year."""
    assert redacted({"audience": {"user_ids": ["a", "b"]}}) == {"audience": {"user_ids": "(2 not kept)"}}


def test_what_is_long_is_cut() -> None:
    """A long list says how many there were."""
    told = redacted({"list_ids": list(range(10_000)), "body": "x" * (MAX_VALUE + 1)})
    assert len(told["list_ids"]) == MAX_ITEMS + 1
    assert told["list_ids"][-1] == f"({10_000 - MAX_ITEMS} more)"
    assert told["body"] == "x" * MAX_VALUE + "…"


def test_a_null_character_is_left_out() -> None:
    """PostgreSQL keeps none in JSON."""
    assert redacted({"title": "a\x00b"}) == {"title": "ab"}


def test_a_user_is_named_by_a_hash_in_an_address() -> None:
    """Also one whose id looks like an address itself."""
    user_id = "team/users/7"
    scope = {"path": f"/v1/suppressions/users/{user_id}", "path_params": {"user_id": user_id}}
    assert address(scope) == f"suppressions/{user_resource(user_id)}"
    assert "team" not in address(scope)
    assert address({"path": "/v1/lists/3", "path_params": {"list_id": "3"}}) == "lists/3"
