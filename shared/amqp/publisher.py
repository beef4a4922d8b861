"""Publishing with confirms, on a connection that never consumes (alarms block publishing connections only)."""

import asyncio
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

import aio_pika
from aio_pika.abc import AbstractExchange, AbstractRobustChannel, AbstractRobustConnection

from shared.amqp.connection import TROUBLE
from shared.contracts.messages import Payload
from shared.errors import BrokerUnavailableError
from shared.observability import traces
from shared.request_id import MESSAGE_HEADER, current_request_id

PUBLISH_TIMEOUT = 15.0
"""Seconds until an unconfirmed publish counts as unknown. A memory alarm blocks the connection: longer would hold
messages unacked past a minute, shorter would repeat publishes that a busy quorum queue confirms late."""

ATTEMPT_HEADER = "carillon-attempt"
"""Our own attempt counter: RabbitMQ's x-death is interpreted on 3.10 and ignored on 4.x."""


class Publisher:
    """One channel with publisher confirms; many publishes may be outstanding on it."""

    def __init__(self, connection: AbstractRobustConnection) -> None:
        self._connection = connection
        self._channel: AbstractRobustChannel | None = None
        self._exchanges: dict[str, AbstractExchange] = {}

    async def open(self, *exchanges: str) -> None:
        """Open the channel and look the exchanges up; raises `BrokerUnavailableError` if one is missing."""
        try:
            self._channel = self._connection.channel(publisher_confirms=True, on_return_raises=True)
            await self._channel.initialize(timeout=PUBLISH_TIMEOUT)
            for name in exchanges:
                self._exchanges[name] = await self._channel.get_exchange(name, ensure=True)
        except TROUBLE as error:
            raise BrokerUnavailableError(
                f"Exchanges {', '.join(exchanges)} could not be opened: {type(error).__name__}: {error}. "
                f"Run `python -m shared.topology` against this vhost."
            ) from error

    async def close(self) -> None:
        """Close the channel."""
        if self._channel is not None:
            await self._channel.close()

    async def publish(
        self, payload: Payload, exchange: str, routing_key: str, *, attempt: int = 0, mandatory: bool = True
    ) -> None:
        """Publish and wait for the broker's confirm.

        Raises `BrokerUnavailableError` when it was not confirmed, returned as unroutable, or refused by a full
        queue. It may have arrived: repeat it with the same business key, receivers are idempotent.
        """
        await self.publish_raw(
            payload.model_dump_json(exclude_defaults=True).encode(),
            exchange,
            routing_key,
            kind=payload.type,
            correlation=str(payload.campaign_id),
            headers=_headers(attempt),
            mandatory=mandatory,
        )

    async def publish_raw(
        self,
        body: bytes,
        exchange: str,
        routing_key: str,
        *,
        kind: str | None,
        correlation: str | None = None,
        headers: Mapping[str, str | int] | None = None,
        mandatory: bool = True,
    ) -> None:
        """Publish bytes as they are (outbox rows, dead letters); the rest as `publish`."""
        message = aio_pika.Message(
            body,
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=uuid.uuid4().hex,
            correlation_id=correlation,
            type=kind,
            timestamp=datetime.now(UTC),
            headers=dict(headers) if headers else None,
        )
        try:
            # The outer limit covers waiting for a reconnect, which aio-pika's own timeout does not.
            async with asyncio.timeout(PUBLISH_TIMEOUT):
                await self._exchanges[exchange].publish(message, routing_key, mandatory=mandatory)
        except TROUBLE as error:
            raise BrokerUnavailableError(
                f"{kind} to {exchange} with key {routing_key} was not confirmed: {type(error).__name__}: {error}"
            ) from error


def carried(request_id: str | None, traceparent: str | None) -> dict[str, str]:
    """Headers that say on whose behalf a message travels: the request that caused it, and its trace."""
    return {
        **({MESSAGE_HEADER: request_id} if request_id else {}),
        **({traces.MESSAGE_HEADER: traceparent} if traceparent else {}),
    }


def _headers(attempt: int) -> dict[str, str | int]:
    """The attempt, and on whose behalf."""
    return {**({ATTEMPT_HEADER: attempt} if attempt else {}), **carried(current_request_id(), traces.current())}
