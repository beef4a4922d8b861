"""Dead letters: messages that cannot be decoded or keep crashing, published to `dead` with the reason, for people."""

import structlog

from shared.amqp.delivery import Delivery
from shared.amqp.publisher import Publisher
from shared.observability import metrics
from shared.topology import DEAD

log = structlog.get_logger()

MAX_REASON = 500
"""Characters of a reason that travel in the header: enough to understand, no body repeated."""


class DeadLetters:
    """Publishes dead letters through a publisher that has `push.dead` open."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def bury(self, delivery: Delivery, *, queue: str, reason: str) -> None:
        """Put a confirmed copy in `dead`; the caller acks. Raises `BrokerUnavailableError` if it was not confirmed."""
        log.error("message.dead", queue=queue, kind=delivery.kind, reason=reason[:MAX_REASON])
        await self._publisher.publish_raw(
            delivery.body,
            DEAD,
            queue,
            kind=delivery.kind,
            headers={
                "carillon-queue": queue,
                "carillon-routing-key": delivery.routing_key,
                "carillon-reason": reason[:MAX_REASON],
            },
        )
        metrics.DEAD_LETTERS.labels(queue).inc()
