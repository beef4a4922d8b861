"""API keys as text."""

from services.api.access.keys import (
    FORM,
    PREFIX,
    SHOWN,
    new_key,
)


def test_keys_are_different_recognisable_and_of_256_bits() -> None:
    """What is shown of one is too short to guess the rest from."""
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    for key in keys:
        assert FORM.fullmatch(key)
        assert key.startswith(PREFIX)
        assert len(key) - SHOWN > 32
