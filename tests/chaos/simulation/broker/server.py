"""The broker: routes messages into queues, hands them to consumers, takes them back, lets them expire."""

from shared import topology
from shared.contracts.messages import BatchResult, CampaignEvent
from tests.chaos.simulation.broker.queue import Consumer, Message, Queue, Unacked
from tests.chaos.simulation.history import History
from tests.chaos.simulation.loop import VirtualLoop
from tests.chaos.simulation.weather import Path, Weather


class Broker:
    """All exchanges and queues of the topology."""

    def __init__(self, loop: VirtualLoop, weather: Weather, history: History) -> None:
        self._loop = loop
        self._weather = weather
        self._history = history
        self.queues = {spec.name: Queue(spec) for spec in topology.QUEUES}
        self.results: list[BatchResult] = []
        """Every result that was ever published."""
        self.wiped = False
        self.heard: dict[int, dict[int, set[str]]] = {}
        """What a subscriber of all events was told: texts by campaign and number."""
        self._routes: dict[tuple[str, str], list[Queue]] = {}
        self._late: dict[int, Message] = {}

    @property
    def messages(self) -> int:
        """Messages anywhere: ready, in consumers' hands, on their way. Dead letters are not among them."""
        held = sum(len(queue.ready) + len(queue.unacked) for queue in self.queues.values())
        return held + len(self._late) - len(self.queues[topology.DEAD_LETTERS.name].ready)

    def bodies(self, kind: str) -> set[bytes]:
        """What messages of a kind say, wherever they are; dead letters are not among them."""
        found = list(self._late.values())
        for queue in self.queues.values():
            if queue.name != topology.DEAD_LETTERS.name:
                found += queue.ready
                found += (unacked.message for unacked in queue.unacked.values())
        return {message.body for message in found if message.kind == kind}

    def publish(self, message: Message) -> bool:
        """Put a message into the queues that it is routed to; False when there is none."""
        if message.exchange == topology.EVENTS:
            self._hear(message)
        elif message.exchange == topology.RESULTS:
            self.results.append(BatchResult.model_validate_json(message.body))
        routed = self.route(message.exchange, message.routing_key)
        for queue in routed:
            copy = message.copy(exchange=message.exchange, routing_key=message.routing_key)
            path = self._weather.path(f"{message.kind} {queue.name}")
            if path is Path.LATE:
                self._late[id(copy)] = copy
                self._loop.in_world(self._weather.delay(), self._arrive_late, queue, copy)
                continue
            self.enqueue(queue, copy, ahead=path is Path.AHEAD)
            if path is Path.TWICE:
                again = message.copy(exchange=message.exchange, routing_key=message.routing_key)
                self.enqueue(queue, again, ahead=False)
        return bool(routed)

    def _hear(self, message: Message) -> None:
        if message.kind == CampaignEvent.type:
            event = CampaignEvent.model_validate_json(message.body)
            self.heard.setdefault(event.campaign_id, {}).setdefault(event.campaign_seq, set()).add(
                message.body.decode()
            )

    def route(self, exchange: str, routing_key: str) -> list[Queue]:
        """Queues whose binding matches, as topic exchanges match."""
        known = self._routes.get((exchange, routing_key))
        if known is None:
            known = [
                queue
                for queue in self.queues.values()
                if any(binding.exchange == exchange and binding.takes(routing_key) for binding in queue.spec.bindings)
            ]
            self._routes[exchange, routing_key] = known
        return known

    def enqueue(self, queue: Queue, message: Message, *, ahead: bool) -> None:
        """Put a message at the end of a queue, or `ahead` of some that were there first."""
        if self._history.on:
            self._history.add("queued", queue.name, message.kind, message.routing_key, message.body.decode())
        if queue.ttl is not None:
            message.expires_at = self._loop.time() + queue.ttl
            queue.ready.append(message)
            self._loop.in_world(queue.ttl, self._expire, queue)
            return
        if ahead and queue.ready:
            queue.ready.insert(self._weather.rng.randrange(len(queue.ready)), message)
        else:
            queue.ready.append(message)
        self.feed(queue)

    def feed(self, queue: Queue) -> None:
        """Deliver ready messages to the consumers whose prefetch allows it."""
        while queue.ready and (consumer := queue.next_consumer()) is not None:
            unacked = Unacked(queue, queue.ready.popleft())
            queue.unacked[id(unacked)] = unacked
            consumer.hand(unacked)

    def acked(self, unacked: Unacked) -> None:
        """Forget a message."""
        unacked.queue.unacked.pop(id(unacked), None)

    def returned(self, unacked: list[Unacked]) -> None:
        """Take messages back, in order, at the head of their queue; what came back too often is dead."""
        for one in reversed(unacked):
            queue, message = one.queue, one.message
            if one.lost or queue.unacked.pop(id(one), None) is None:
                continue
            message.deliveries += 1
            if message.deliveries >= queue.limit:
                self._dead_letter(queue, message)
            else:
                queue.ready.appendleft(message)
        for queue in {one.queue.name: one.queue for one in unacked}.values():
            self.feed(queue)

    def consume(self, queue: Queue, consumer: Consumer) -> None:
        """Register a consumer."""
        queue.consumers.append(consumer)
        self.feed(queue)

    def cancel(self, queue: Queue, consumer: Consumer) -> None:
        """Hand it nothing more; what it holds stays its own."""
        if consumer in queue.consumers:
            queue.consumers.remove(consumer)
            self.feed(queue)

    def wipe(self, names: list[str]) -> None:
        """Lose everything in these queues."""
        self.wiped = True
        for name in names:
            self._weather.happened("queue wiped", f"{name}: {self.queues[name].wipe()} lost")

    def hurry(self) -> None:
        """Let everything expire now that waits for its time: when all campaigns are final it changes nothing."""
        for queue in self.queues.values():
            if queue.ttl is not None:
                while queue.ready:
                    self._dead_letter(queue, queue.ready.popleft())

    def _arrive_late(self, queue: Queue, message: Message) -> None:
        del self._late[id(message)]
        self.enqueue(queue, message, ahead=False)

    def _expire(self, queue: Queue) -> None:
        """Messages leave a queue with a TTL at its head only."""
        now = self._loop.time()
        while queue.ready and (queue.ready[0].expires_at or 0.0) <= now:
            self._dead_letter(queue, queue.ready.popleft())

    def _dead_letter(self, queue: Queue, message: Message) -> None:
        arguments = queue.spec.arguments
        exchange = str(arguments["x-dead-letter-exchange"])
        key = str(arguments.get("x-dead-letter-routing-key", message.routing_key))
        self.publish(message.copy(exchange=exchange, routing_key=key))
