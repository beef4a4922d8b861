"""The aggregator's transactions on the ledger: one for each call."""

from shared.db import Database
from shared.ledger import merging
from shared.ledger.merging import Folded, Key, Merged


class Store:
    """Merges windows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def merge(self, window: dict[Key, Folded]) -> Merged:
        """Join a folded window into the ledger and deactivate what it calls dead; see `shared.ledger.merging`."""
        return await self._database.again(lambda tx: merging.merge(tx, window))
