"""What makes two requests the same."""

from hypothesis import given
from hypothesis import strategies as st

from services.api.access.idempotency import fingerprint

REQUESTS = st.tuples(st.sampled_from(["POST"]), st.text(max_size=5), st.binary(max_size=5), st.binary(max_size=5))


@given(REQUESTS, REQUESTS)
def test_requests_have_one_fingerprint_only_if_they_are_the_same(
    one: tuple[str, str, bytes, bytes], other: tuple[str, str, bytes, bytes]
) -> None:
    """Where the path ends and the body begins is part of it."""
    assert (fingerprint(*one) == fingerprint(*other)) == (one == other)
