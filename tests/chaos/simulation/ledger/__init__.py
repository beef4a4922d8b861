"""The ledger in memory: the same transitions under the same contract as in PostgreSQL, in microseconds.

`shared.ledger` and the stores of planner, sender and aggregator run as they are; what is written here again is what
each SQL statement does to rows. `tests/contracts/ledger` holds it against PostgreSQL.
Reading order: `ledger` and `moves` (how it is used), `memory` (transactions), `rows`, then `campaigns`, `planning`,
`batches`, `projects` (the statements).
"""

from tests.chaos.simulation.ledger.ledger import Ledger

__all__ = ["Ledger"]
