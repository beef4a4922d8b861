"""An incoming message without a broker: it remembers what was done with it."""

from typing import TYPE_CHECKING, cast

from aio_pika.exceptions import ChannelInvalidStateError

from shared.amqp.delivery import Delivery

if TYPE_CHECKING:
    from aio_pika.abc import AbstractIncomingMessage


class FakeMessage:
    """As much of a message as a `Delivery` uses; `fault` is raised by the first ack."""

    def __init__(self, body: bytes, kind: str | None, fault: Exception | None = None) -> None:
        self.body = body
        self.type = kind
        self.routing_key: str | None = None
        self.redelivered = False
        self.headers: dict[str, int | str] = {}
        self.is_closed = False
        self.done: list[tuple[str, bool]] = []
        self._fault = fault

    @property
    def channel(self) -> "FakeMessage":
        """The message is its own channel; like aio-pika's, it is not given once it is closed."""
        if self.is_closed:
            raise ChannelInvalidStateError
        return self

    async def ack(self, *, multiple: bool = False) -> None:
        """Note the ack."""
        if self._fault is not None:
            raise self._fault
        self.done.append(("ack", multiple))


def delivery(body: bytes, kind: str | None) -> Delivery:
    """Deliver a body under a type."""
    return deliver(FakeMessage(body, kind))


def deliver(message: FakeMessage) -> Delivery:
    """Deliver a message."""
    return Delivery(cast("AbstractIncomingMessage", message))
