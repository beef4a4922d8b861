"""The request that caused what is done."""

import structlog

from shared.request_id import caused_by, current_request_id


def test_a_block_is_done_on_behalf_of_a_request_and_its_logs_say_so() -> None:
    """Afterwards it is as before."""
    with caused_by("shop-7"):
        assert current_request_id() == "shop-7"
        assert structlog.contextvars.get_contextvars()["request_id"] == "shop-7"
        with caused_by(None):
            assert current_request_id() is None
    assert current_request_id() is None
    assert "request_id" not in structlog.contextvars.get_contextvars()
