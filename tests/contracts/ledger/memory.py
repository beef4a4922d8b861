"""The desk over the ledger in memory."""

from typing import Any

from tests.chaos.simulation.ledger import Ledger
from tests.chaos.simulation.ledger.ledger import target_hash
from tests.contracts.ledger.desk import TIMES, Desk, Time
from tests.contracts.ledger.picture import TABLES, Rows, columns, plain


class MemoryDesk(Desk):
    """Over the ledger in memory."""

    def __init__(self, time: Time) -> None:
        self.ledger = Ledger(lambda: time.now, TIMES)
        super().__init__(self.ledger.database, time)

    async def add_project(self, name: str, *, rate: float) -> None:
        """Add it."""
        self.ledger.project(name, rate=rate)

    async def devices(self, count: int, *, project: str = "default", platform: str = "android") -> list[int]:
        """Register them."""
        return self.ledger.devices(count, project=project, platform=platform)

    async def draft(self, **options: Any) -> int:
        """Write it."""
        return self.ledger.draft(**{"ttl": 36_000, **options})

    async def refresh(self, device: int, target: str) -> None:
        """Give it."""
        table = self.ledger.tables.devices
        table[device] = table[device].but(target=target, target_hash=target_hash(target), active=True)

    async def rows(self) -> Rows:
        """Read them."""
        tables = self.ledger.tables
        return {
            name: [
                {column: plain(getattr(row, column)) for column in columns(kind)}
                for _, row in sorted(getattr(tables, name).items())
            ]
            for name, (kind, _) in TABLES.items()
        }
