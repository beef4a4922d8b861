"""The ledger under the API, so that campaigns end as a test says."""

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from tests.integration.shared.ledger.stage import Stage, result, staged

Ended = Callable[..., Coroutine[Any, Any, int]]


@pytest.fixture(params=["near", "far"])
async def stage(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Stage]:
    """Give the ledger's transitions, a word each; devices whose ids are near each other, and far apart."""
    async with staged(database_url) as ledger:
        if request.param == "far":
            await ledger.spread()
        yield ledger


@pytest.fixture
def ended(stage: Stage) -> Ended:
    """Send a campaign to all that ends with these letters and codes, three devices a batch; its id."""

    async def work(letters: str, codes: dict[int, str] | None = None, **options: Any) -> int:
        campaign_id = await stage.sending(**options)
        page = await stage.step(campaign_id, batches=100, size=3)
        assert page is not None
        assert sum(batch.size for batch in page.batches) == len(letters)
        for number, batch in enumerate(page.batches):
            claim = stage.granted(await stage.claim(batch))
            part = letters[number * 3 : number * 3 + 3]
            named = {p - number * 3: code for p, code in (codes or {}).items() if p // 3 == number}
            await stage.release(claim, part, codes=named)
            samples = {code: f"text of {code}" for code in named.values()}
            await stage.merge(result(claim, part, codes=named, samples=samples))
        return campaign_id

    return work
