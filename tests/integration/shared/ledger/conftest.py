"""The stage of every ledger test."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.shared.ledger.stage import Stage, staged


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    """Give a ledger of the test's own."""
    async with staged(database_url) as ledger:
        yield ledger
