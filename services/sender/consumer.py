"""Consumes batches: decodes each reference and sends the batch."""

from services.sender.sending import Sending
from shared.amqp.decoding import decode
from shared.amqp.delivery import Delivery
from shared.contracts.messages import BatchReady


class BatchHandler:
    """Handles one delivery of a lane; returning means that it may be acked."""

    def __init__(self, sending: Sending) -> None:
        self._sending = sending

    async def __call__(self, delivery: Delivery) -> None:
        """Send the batch; raises `MalformedMessageError` or `UnavailableError` for the consumer loop to judge."""
        await self._sending.send(decode(delivery, BatchReady))
