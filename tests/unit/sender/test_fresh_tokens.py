"""Which access tokens are too fresh to be stale."""

from services.sender.fresh_tokens import FRESH, FreshTokens
from services.sender.gateways import Route


def route(project: str = "p") -> Route:
    """A route with a token of its own."""
    return Route(project, "https://localhost/", ())


def test_a_token_is_fresh_from_its_fetch_until_it_has_worked() -> None:
    """Revoked later, it is stale like any other: one more fetch mends it."""
    tokens, token = FreshTokens(), route()
    assert not tokens.fresh(token, now=0)
    tokens.fetched(token, now=0)
    assert tokens.fresh(token, now=1)
    tokens.worked(token)
    assert not tokens.fresh(token, now=2)


def test_a_token_that_never_worked_is_fresh_for_a_minute_however_often_it_is_handed_out() -> None:
    """Else a token revoked before its first message would keep the circuit open until it expires."""
    tokens, token = FreshTokens(), route()
    tokens.fetched(token, now=0)
    tokens.fetched(token, now=FRESH - 1)
    assert tokens.fresh(token, now=FRESH - 1)
    assert not tokens.fresh(token, now=FRESH)


def test_a_success_of_the_token_before_says_nothing_of_the_new_one() -> None:
    """Its answers may come after the fetch; projects have nothing to do with each other."""
    tokens, old, new, other = FreshTokens(), route(), route(), route("q")
    tokens.fetched(new, now=0)
    for another in (old, other):
        tokens.worked(another)
        assert not tokens.fresh(another, now=1)
    assert tokens.fresh(new, now=1)
