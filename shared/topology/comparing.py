"""Compares what a process uses with its declaration by declaring it again: only a user that may declare can.

Asked once while all is there, by a service whose user may declare; the restricted users of `access` are refused, and
leave it to the bootstrap. What differed is asked again with each look, until it does not. The service works on
meanwhile, as far as what is there lets it; readiness names it.
"""

from collections.abc import Sequence

import structlog
from aiormq.exceptions import ChannelAccessRefused

from shared.topology import Queue
from shared.topology.differing import Difference, differing
from shared.topology.inspection import Inspector

log = structlog.get_logger()


class Comparing:
    """Compares over the connection of a `Inspector`."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector
        self._found: list[Difference] = []
        self._asked = False

    async def look(self, exchanges: Sequence[str], queues: Sequence[Queue]) -> None:
        """Compare these, which a look has just seen there: all of them once, then those that differed."""
        if self._asked:
            differed = {difference.what for difference in self._found}
            exchanges = [name for name in exchanges if f"exchange {name}" in differed]
            queues = [queue for queue in queues if f"queue {queue.name}" in differed]
        before = self._found
        try:
            self._found = await differing(self._inspector.channel, exchanges, queues) if exchanges or queues else []
        except ChannelAccessRefused:
            self._found = []
        self._asked = True
        if self._found and self._found != before:
            log.warning("topology.differs", things=[str(difference) for difference in self._found])

    def told(self) -> str | None:
        """For readiness: what differs and what to do, or None."""
        return " ".join(f"In the vhost {difference}" for difference in self._found) or None
