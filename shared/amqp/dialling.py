"""A connection to any node of the broker, which goes to another node when it has lost one.

aio-pika's robust connection reconnects to one host. Here it gets a `TransportFactory` that chooses a node at each
attempt: one that refuses or does not answer costs `TRY` seconds at most while there are others.
"""

import asyncio
import ssl
from typing import Any

import aio_pika
import structlog
from aiormq.connection import TransportFactory
from aiormq.exceptions import AMQPConnectionError
from yarl import URL

from shared.amqp.nodes import Address, Nodes

log = structlog.get_logger()

TRY = 3.0
"""Seconds for an address to accept, and as many to finish its handshake, while there are others to try: a healthy node
needs milliseconds. The last address gets all the time that the attempt has left."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _open(address: Address, context: ssl.SSLContext | None) -> Streams:
    name = None if context is None else address.host.name
    return await asyncio.open_connection(address.ip, address.host.port, ssl=context, server_hostname=name)


async def _tls(url: URL, kwargs: dict[str, Any]) -> ssl.SSLContext | None:
    """The context that aiormq makes of the URL's query."""
    if url.scheme != "amqps":
        return None
    context: ssl.SSLContext = await kwargs["ssl_context_provider"].get_context()
    return context


class To(TransportFactory):
    """Makes the transport to one address."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._writer: asyncio.StreamWriter | None = None

    async def create(self, url: URL, **kwargs: Any) -> Streams:
        """Connect; raises `AMQPConnectionError`."""
        try:
            reader, self._writer = await _open(self._address, await _tls(url, kwargs))
        except OSError as error:
            raise AMQPConnectionError(*error.args) from error
        return reader, self._writer

    def cut(self) -> None:
        """End the connection as the network would, without waiting for a node that may not answer."""
        if self._writer is not None:
            self._writer.transport.abort()


class ToAny(TransportFactory):
    """Makes the transport to the first node that answers, in the order of `Nodes`; it knows the last one."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._writer: asyncio.StreamWriter | None = None
        self._hurry: asyncio.TimerHandle | None = None
        self.address: Address | None = None

    async def create(self, url: URL, **kwargs: Any) -> Streams:
        """Connect; the node before was lost, so another one is tried first. Raises `AMQPConnectionError`."""
        self.lost()
        context = await _tls(url, kwargs)
        try:
            return await self._any(context)
        except OSError as error:
            raise AMQPConnectionError(*error.args) from error

    async def _any(self, context: ssl.SSLContext | None) -> Streams:
        said = []
        left = await self._nodes.in_order()
        while left:
            address, *left = left
            bound = TRY if any(not self._nodes.fails(other) for other in left) else None
            self.address = address
            try:
                async with asyncio.timeout(bound):
                    reader, writer = await _open(address, context)
            except OSError as error:  # a timeout is one
                self.lost()
                said.append(f"{address}: {type(error).__name__}: {error}")
                continue
            self._writer = writer
            if bound is not None:
                self._hurry = asyncio.get_running_loop().call_later(bound, writer.transport.abort)
            return reader, writer
        raise OSError("; ".join(said))

    def arrived(self) -> None:
        """The handshake is done."""
        self._calm()
        if self.address is not None:
            self._nodes.works(self.address)

    def lost(self) -> None:
        """Its node did not answer, or is gone."""
        self._calm()
        if self.address is not None:
            self._nodes.failed(self.address)
        self.address, self._writer = None, None

    def cut(self) -> None:
        """End the connection as the network would, without waiting for a node that may not answer."""
        if self._writer is not None:
            self._writer.transport.abort()

    def _calm(self) -> None:
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None


class BrokerConnection(aio_pika.RobustConnection):
    """A robust connection to any of `nodes`, named `name` for operators."""

    def __init__(self, nodes: Nodes, *, name: str, reconnect_interval: float) -> None:
        self.nodes = nodes
        self._name = name
        self._way = ToAny(nodes)
        super().__init__(
            nodes.url.at(nodes.url.hosts[0]),
            reconnect_interval=reconnect_interval,
            client_properties={"connection_name": name},
        )
        self.kwargs["transport_factory"] = self._way

    @property
    def address(self) -> Address | None:
        """Where it is connected to."""
        return self._way.address if self.connected.is_set() else None

    def gave_up(self) -> None:
        """The node did not complete the connection: the next attempt begins with another one."""
        self._way.lost()

    def leave(self) -> None:
        """Cut the connection: the next attempt finds another node, if there is one."""
        log.warning("broker.left", connection=self._name, node=str(self._way.address))
        self._way.cut()

    async def _on_connected(self) -> None:
        self._way.arrived()
        if self._way.address is not None:
            self.url = self.nodes.url.at(self._way.address.host)
        log.info("broker.connected", connection=self._name, node=str(self._way.address))
        await super()._on_connected()
