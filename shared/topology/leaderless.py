"""Queues that exist and do not work: without a leader they confirm no message and deliver none.

RabbitMQ 3.10.8 makes one out of a queue that was deleted, declared again, and not yet on disk when the broker was
killed; a cluster, of a queue whose nodes are away. Who asks passively is told that it is there, and what is published
to other queues of its exchange on the same channel is not confirmed either.

| a queue | is |
|---|---|
| to which publishes fail, or that registers no consumer of ours | suspected, and asked for one on a new connection |
| that registers none within `ANSWERS_WITHIN` | leaderless: readiness names it |
| that registers none here and one at another node | this node is cut off, which `amqp.minority` looks after |
| that is leaderless for `patience`, at every node, while a new queue works | deleted, and put back by `repair` |

What was in it is not lost: messages stand for rows of the ledger, whose sweeps publish them again. Dead letters stand
for nothing else, so `dead` is never deleted.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence

import structlog

from shared.amqp.dialling import BrokerConnection
from shared.amqp.node_health import Answer
from shared.amqp.publisher import Publisher
from shared.amqp.subscription import Subscription
from shared.topology import DEAD_LETTERS, Queue
from shared.topology.leader_probe import LeaderProbe

log = structlog.get_logger()


class Leaderless:
    """Probes the suspected queues of a process, and deletes those that have not worked for `patience` seconds.

    A minute is enough: a long queue is read for some of it when the broker starts, and a cluster elects leaders sooner.
    """

    def __init__(
        self,
        connection: BrokerConnection,
        publisher: Publisher,
        consumers: Mapping[str, Subscription],
        *,
        patience: float,
    ) -> None:
        self._connection = connection
        self._broker = LeaderProbe(connection)
        self._publisher = publisher
        self._consumers = consumers
        self._patience = patience
        self._silent: list[Queue] = []
        self._unasked = False
        self._since: dict[str, float] = {}
        self._served: dict[str, float] = {}
        self._seen: object = None
        self._doubtful: list[Queue] = []

    def __contains__(self, queue: Queue) -> bool:
        return queue in self._silent

    def __len__(self) -> int:
        return len(self._silent) + len(self._doubtful)

    def told(self) -> str | None:
        """For readiness: which, and what to do; None if there is none."""
        said = []
        if self._silent and self._unasked:
            said.append(
                f"Queue {_names(self._silent)} is there, but takes no message and gives none, and not every node of "
                "the cluster can be asked: most likely the majority of its nodes is away or cut off. Start the nodes "
                "that are missing or mend the network between them, and delete nothing before."
            )
        elif self._silent:
            whose = ", and this process's broker user may not delete it" if self._broker.refused else ""
            said.append(
                f"Queue {_names(self._silent)} is there, but takes no message and gives none: RabbitMQ has lost its "
                f"leader{whose}. If it stays so, {_remedy(self._silent)}."
            )
        if self._doubtful:
            said.append(
                f"Nothing published to {_names(self._doubtful)} is confirmed, though RabbitMQ answers: look in its "
                f"management UI which of them has no leader, and {_remedy(self._doubtful)}."
            )
        return " ".join(said) or None

    async def look(self, present: Sequence[Queue]) -> bool:
        """Probe those of these queues that are suspected, and delete those that are given up.

        False: none was suspected. A failure of the broker proves nothing about a queue, and is not raised.
        """
        suspects = [queue for queue in present if self._suspected(queue)]
        answers = await asyncio.gather(*(self._broker.answer(queue) for queue in suspects))
        now = asyncio.get_running_loop().time()
        silent = [queue for queue, answer in zip(suspects, answers, strict=True) if answer is Answer.SILENT]
        others = await asyncio.gather(*(self._broker.elsewhere(queue) for queue in silent))
        self._silent = [q for q, told in zip(silent, others, strict=True) if Answer.SERVES not in told]
        self._unasked = any(answer is not Answer.SILENT for told in others for answer in told)
        self._doubtful = [
            queue
            for queue, answer in zip(suspects, answers, strict=True)
            if answer is Answer.NOT_OURS_TO_ASK and self._failures(queue, self._publisher.unconfirmed) > 1
        ]
        self._served |= {q.name: now for q, answer in zip(suspects, answers, strict=True) if answer is Answer.SERVES}
        for queue in self._silent:
            if queue.name not in self._since:
                log.warning("queue.leaderless", queue=queue.name)
        seen, self._seen = self._seen, self._connection.transport
        before = self._since if seen is self._seen else {}  # a broker that was away meanwhile has a new minute
        self._since = {queue.name: before.get(queue.name, now) for queue in self._silent}
        lost = [queue for queue in self._silent if now - self._since[queue.name] >= self._patience]
        lost = [queue for queue in lost if queue != DEAD_LETTERS]
        if lost and not self._unasked and await self._broker.a_new_one_works(lost[0]):
            gone = await asyncio.gather(*(self._given_up(queue) for queue in lost))
            for queue in (queue for queue, deleted in zip(lost, gone, strict=True) if deleted):
                self._silent.remove(queue)
                del self._since[queue.name]
        return bool(suspects)

    def _suspected(self, queue: Queue) -> bool:
        """Whether there is a reason to ask; one that has just served is left alone, as it may give a message."""
        if queue in self._silent:
            return True
        if asyncio.get_running_loop().time() - self._served.get(queue.name, -math.inf) < self._patience:
            return False
        consumer = self._consumers.get(queue.name)
        failures = self._publisher.unconfirmed, self._publisher.refused
        return any(self._failures(queue, ways) for ways in failures) or (consumer is not None and consumer.waiting)

    def _failures(self, queue: Queue, ways: Mapping[tuple[str, str], int]) -> int:
        """How often in a row publishes to it failed on one of these ways."""
        return max(
            (
                times
                for (exchange, key), times in ways.items()
                for binding in queue.bindings
                if binding.exchange == exchange and binding.takes(key)
            ),
            default=0,
        )

    async def _given_up(self, queue: Queue) -> bool:
        """Delete it, unless it serves by now: another process may have put it back."""
        return await self._broker.answer(queue) is Answer.SILENT and await self._broker.delete(queue)


def _names(queues: Sequence[Queue]) -> str:
    return ", ".join(queue.name for queue in queues)


def _remedy(queues: Sequence[Queue]) -> str:
    lost = f", but the letters in {DEAD_LETTERS.name} are lost" if DEAD_LETTERS in queues else ""
    return (
        "delete it and run `python -m shared.topology`, as an administrator of the vhost: the ledger publishes again "
        f"what was in it{lost}"
    )
