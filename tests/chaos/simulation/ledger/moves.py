"""What an operator does to a campaign, over any ledger: each a transaction, as in the API."""

from shared.db import Database
from shared.ledger import campaigns
from shared.ledger.campaigns import Changed


class Moves:
    """Each gives None when the campaign is not in a state for it."""

    database: Database

    async def send(self, campaign_id: int) -> Changed | None:
        """Start it."""
        return await self.database.again(lambda tx: campaigns.send(tx, campaign_id))

    async def pause(self, campaign_id: int) -> Changed | None:
        """Stop it for now."""
        return await self.database.again(lambda tx: campaigns.pause(tx, campaign_id))

    async def resume(self, campaign_id: int) -> Changed | None:
        """Let it go on."""
        return await self.database.again(lambda tx: campaigns.resume(tx, campaign_id))

    async def cancel(self, campaign_id: int) -> Changed | None:
        """End it."""
        return await self.database.again(lambda tx: campaigns.cancel(tx, campaign_id))
