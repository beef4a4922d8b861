"""Ids of requests."""

from collections.abc import Iterator

import pytest

from services.api.http.request_id import begin_request, current_request_id
from shared.request_id import caused_by


@pytest.fixture(autouse=True)
def _of_its_own() -> Iterator[None]:
    """A test without a task leaves no request behind for the next."""
    with caused_by(None):
        yield


def test_a_clients_id_is_kept() -> None:
    """So that its logs and ours meet."""
    assert begin_request("shop-42.A_b") == "shop-42.A_b" == current_request_id()


@pytest.mark.parametrize("offered", [None, "", "x" * 129, "a\nb", "a b", "é", '"}'])
def test_what_cannot_go_into_a_log_line_is_replaced(offered: str | None) -> None:
    """By 32 hexadecimal digits."""
    assert len(begin_request(offered)) == 32
