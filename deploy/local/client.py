"""The operators' HTTP API as the demo uses it: nothing that any other client could not do."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Self

import httpx

from deploy.local.errors import CampaignError
from shared.version import USER_AGENT

Document = dict[str, Any]


class OperatorClient:
    """A client with an operator's key; an async context."""

    def __init__(self, api_url: str, operator_key: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=api_url,
            headers={"Authorization": f"Bearer {operator_key}", "User-Agent": USER_AGENT},
            timeout=120.0,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def register(self, lines: AsyncIterator[bytes]) -> Document:
        """Register devices from NDJSON; returns how many were received, registered and rejected."""
        return await self._call(
            "POST", "/v1/devices/bulk", content=lines, headers={"Content-Type": "application/x-ndjson"}
        )

    async def create_campaign(self, campaign: Mapping[str, Any]) -> Document:
        """Create a draft; returns it with its id."""
        return await self._call("POST", "/v1/campaigns", json=campaign)

    async def send_campaign(self, campaign_id: int) -> Document:
        """Send a draft now."""
        return await self._call("POST", f"/v1/campaigns/{campaign_id}/send")

    async def stats(self, campaign_id: int) -> Document:
        """Return a campaign's counters, by outcome."""
        return await self._call("GET", f"/v1/campaigns/{campaign_id}/stats")

    async def _call(self, method: str, path: str, **arguments: Any) -> Document:
        answer = await self._http.request(method, path, **arguments)
        if answer.is_error:
            raise CampaignError(f"{method} {path} answered {answer.status_code}: {answer.text}")
        document: Document = answer.json()
        return document
