"""Leaves a node that has lost the majority of its cluster, while another one serves.

Clients of such a node see nothing wrong: it accepts connections and answers. So the node is probed when it has given no
sign of life for a while (`node_health`); when it does not answer, the other nodes are probed for the same queue. If one
of them serves, every connection of this process to the silent node is cut, and is opened again to another node.
Unconfirmed messages are published again by their senders. Unacked messages are delivered again by the broker, and the
ledger recognises them.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from shared.amqp.dialling import BrokerConnection
from shared.amqp.node_health import Answer, Finding, Signs, diagnose, suspicious
from shared.amqp.nodes import Address, Nodes
from shared.amqp.publisher import Publisher
from shared.amqp.queue_probe import QueueProbe
from shared.amqp.subscription import Subscription
from shared.tasks import end

log = structlog.get_logger()

EVERY = 1.0
"""Seconds between two checks of what the connections have seen."""
HESITATES = 1.0
"""Seconds that a node may take before the others are probed too, while its own probe still runs: a queue that serves
there and stays silent here for seconds more is not just electing a leader."""
TELLS_FOR = 30.0
"""Seconds that readiness repeats what was found about a node: a silent node is probed again sooner."""


class Minority:
    """Looks after `connections` of one process: `publisher` publishes on the first, `consumers` consume on the last.

    A process that consumes nothing gives a queue that it may read as `ask`. `on_left` is called when a node was left.
    """

    def __init__(
        self,
        nodes: Nodes,
        connections: Sequence[BrokerConnection],
        publisher: Publisher,
        consumers: Sequence[Subscription] = (),
        *,
        ask: str | None = None,
    ) -> None:
        self._nodes = nodes
        self._connections = connections
        self._publisher = publisher
        self._consumers = consumers
        self._ask = ask
        self._probe = QueueProbe(nodes)
        self._life: dict[Address, float] = {}
        self._served: dict[Address, float] = {}
        self._seen = (0, 0)
        self._found: dict[Address, tuple[float, str]] = {}
        self.on_left: Callable[[], None] = lambda: None

    async def run(self) -> None:
        """Look for ever."""
        try:
            while True:
                await asyncio.sleep(EVERY)
                await self.round()
        finally:
            await self._probe.close()

    async def check(self) -> str | None:
        """For readiness: that a node which this process is connected to is cut off, or None."""
        now = asyncio.get_running_loop().time()
        for address in self._where():
            at, said = self._found.get(address, (0.0, ""))
            if said and now - at < TELLS_FOR:
                return said
        return None

    async def round(self) -> None:
        """Look once at every node that this process is connected to."""
        self._note_life()
        for address in self._where():
            if suspicious(await self._signs(address)):
                await self._examine(address)

    def _where(self) -> list[Address]:
        """The nodes of the connections that are open."""
        return list(dict.fromkeys(c.address for c in self._connections if c.address is not None))

    def _note_life(self) -> None:
        """Confirms since the last look are of the first connection's node, deliveries of the last one's."""
        now = asyncio.get_running_loop().time()
        seen = self._publisher.confirmed, sum(consumer.deliveries.taken for consumer in self._consumers)
        for before, after, connection in zip(
            self._seen, seen, (self._connections[0], self._connections[-1]), strict=True
        ):
            if after != before and connection.address is not None:
                self._life[connection.address] = now
        self._seen = seen
        for address in self._where():
            self._life.setdefault(address, now)

    async def _signs(self, address: Address) -> Signs:
        now = asyncio.get_running_loop().time()
        publishes = self._connections[0].address == address
        served = self._served.get(address, -float("inf"))
        return Signs(
            quiet=now - max(self._life.get(address, now), served),
            served=now - served,
            unconfirmed=await self._publisher.waits() if publishes else 0.0,
            room=any(consumer.room for consumer in self._consumers),
        )

    async def _examine(self, address: Address) -> None:
        """Probe the node, and the others if it is silent; leave it if one of them serves."""
        queue = self._queue()
        if queue is None:
            return
        here, elsewhere = await self._answers(address, queue)
        finding = diagnose(here, elsewhere)
        now = asyncio.get_running_loop().time()
        self._found.pop(address, None)
        if finding is Finding.WELL:
            self._served[address] = now
        elif finding is Finding.CUT_OFF:
            serving = [other for other, answer in elsewhere.items() if answer is Answer.SERVES]
            self._found[address] = now, _cut_off(address, queue, serving[0])
            # A process that comes from there would only move to and fro: each serves what the other does not.
            if not all(self._nodes.avoided(other) for other in serving):
                self._leave(address, queue=queue, serving=serving[0])
        elif finding is Finding.ALONE:
            log.warning("node.silent", node=str(address), queue=queue, others=[str(other) for other in elsewhere])
            self._found[address] = now, _alone(address, queue, list(elsewhere))

    async def _answers(self, address: Address, queue: str) -> tuple[Answer, dict[Address, Answer]]:
        """What the node says and, if it is slow, what the others say: until it has answered or one of them serves."""
        here = asyncio.create_task(self._probe.answer(address, queue))
        asked = {}
        try:
            await asyncio.wait({here}, timeout=HESITATES)
            if not here.done() or here.result() is Answer.SILENT:
                asked = {
                    other: asyncio.create_task(self._probe.answer(other, queue))
                    for other in await self._nodes.others(address)
                }
            while waiting := [task for task in (here, *asked.values()) if not task.done()]:
                if here.done() and (here.result() is not Answer.SILENT or Answer.SERVES in _done(asked).values()):
                    break
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end([here, *asked.values()])
        return here.result(), _done(asked)

    def _queue(self) -> str | None:
        """Which queue to probe: in turn, one whose messages this process consumes anyway."""
        names = sorted((not c.room, c.name) for c in self._consumers)
        if not names:
            return self._ask
        best = [name for full, name in names if full == names[0][0]]
        return best[int(asyncio.get_running_loop().time()) % len(best)]

    def _leave(self, address: Address, *, queue: str, serving: Address) -> None:
        log.warning("node.cut_off", node=str(address), queue=queue, serving=str(serving))
        self._nodes.avoid(address)
        self._life.pop(address, None)
        for connection in self._connections:
            if connection.address == address:
                connection.leave()
        self.on_left()


def _done(asked: Mapping[Address, asyncio.Task[Answer]]) -> dict[Address, Answer]:
    return {
        address: task.result() if task.done() and not task.cancelled() else Answer.UNKNOWN
        for address, task in asked.items()
    }


def _cut_off(address: Address, queue: str, serving: Address) -> str:
    return (
        f"RabbitMQ's node {address} is cut off from the majority of its cluster: {queue} is silent there and serves at "
        f"{serving}. This process goes there, unless it has just come from there; delete nothing."
    )


def _alone(address: Address, queue: str, others: Sequence[Address]) -> str:
    asked = f"{', '.join(map(str, others))} cannot be asked" if others else "CARILLON_AMQP_URL leads to no other node"
    return (
        f"RabbitMQ's node {address} takes connections, but {queue} takes no message there and gives none, and {asked}. "
        "In a cluster the node has most likely lost the majority: start the nodes that are missing or mend the network "
        "between them (`rabbitmqctl cluster_status`), and delete nothing. Where the node sees all others, the queue "
        "has lost its leader."
    )
