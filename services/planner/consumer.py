"""Consumes commands: decodes each and carries it out."""

from services.planner.planning import Planning
from shared.amqp.decoding import decode
from shared.amqp.delivery import Delivery
from shared.contracts.messages import CloseCampaign, PlanCampaign


class CommandHandler:
    """Handles one delivery of `planner.commands`; returning means that it may be acked."""

    def __init__(self, planning: Planning) -> None:
        self._planning = planning

    async def __call__(self, delivery: Delivery) -> None:
        """Plan or close; raises `MalformedMessageError` or `UnavailableError` for the consumer loop to judge."""
        if delivery.kind == CloseCampaign.type:
            await self._planning.close(decode(delivery, CloseCampaign))
        else:
            await self._planning.step(decode(delivery, PlanCampaign))
