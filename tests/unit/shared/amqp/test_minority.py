"""Leaving a node that is silent while another serves, on fakes."""

from collections import Counter
from typing import Any, cast

import pytest

from shared.amqp import minority, node_health
from shared.amqp.hosts import Host, parse
from shared.amqp.minority import Minority
from shared.amqp.node_health import Answer
from shared.amqp.nodes import Address, Nodes

ONE, TWO, THREE = (Address(Host(f"10.0.0.{number}", 5672), f"10.0.0.{number}") for number in (1, 2, 3))


class FakeNodes(Nodes):
    """Looks nothing up."""

    async def addresses(self) -> list[Address]:
        """Hosts that are addresses."""
        return [Address(host, host.name) for host in self.url.hosts]


class FakeConnection:
    """Is somewhere, and goes to `TWO` when it leaves."""

    def __init__(self, address: Address | None) -> None:
        self.address = address

    def leave(self) -> None:
        """Go."""
        self.address = TWO


class FakePublisher:
    """Waits for a confirm so long."""

    def __init__(self, waits: float = 0.0) -> None:
        self.confirmed = 0
        self._waits = waits

    async def waits(self) -> float:
        """Seconds."""
        return self._waits


class FakeDeliveries:
    """Nothing came."""

    taken = 0


class FakeConsumer:
    """Would take more, or would not."""

    def __init__(self, name: str, *, room: bool = True) -> None:
        self.name = name
        self.room = room
        self.deliveries = FakeDeliveries()


class FakeProbe:
    """Nodes that answer as they are told, and count how often they are asked."""

    def __init__(self, **answers: Answer) -> None:
        self._answers = {ONE: answers["one"], TWO: answers["two"], THREE: answers.get("three", answers["two"])}
        self.asked: Counter[Address] = Counter()

    async def answer(self, address: Address, _queue: str) -> Answer:
        """Say it at once."""
        self.asked[address] += 1
        return self._answers[address]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits."""
    monkeypatch.setattr(node_health, "QUIET", 1e-9)
    monkeypatch.setattr(minority, "HESITATES", 0.0)


def watched(
    probe: FakeProbe,
    *connections: FakeConnection,
    waits: float = 0.0,
    room: bool = True,
    url: str = "10.0.0.1,10.0.0.2",
) -> Minority:
    """A process with these connections."""
    nodes = FakeNodes(parse(f"amqp://{url}"))
    consumers = [cast("Any", FakeConsumer(name, room=room)) for name in ("high", "low")]
    found = Minority(nodes, cast("Any", connections), cast("Any", FakePublisher(waits)), consumers)
    found._probe = cast("Any", probe)
    return found


async def test_every_connection_to_a_silent_node_goes_where_the_queue_serves() -> None:
    """And that node is not the next one to be tried."""
    publish, consume, other = FakeConnection(ONE), FakeConnection(ONE), FakeConnection(THREE)
    company = watched(FakeProbe(one=Answer.SILENT, two=Answer.SERVES), publish, other, consume)
    await company.round()
    assert [publish.address, consume.address, other.address] == [TWO, TWO, THREE]
    assert company._nodes.avoided(ONE)
    assert await company.check() is None


async def test_nobody_goes_back_at_once_to_a_node_that_was_left() -> None:
    """Two queues may each serve at one of two nodes, as long as their leaders are not known everywhere."""
    connection = FakeConnection(ONE)
    company = watched(FakeProbe(one=Answer.SILENT, two=Answer.SERVES), connection)
    company._nodes.avoid(TWO)
    await company.round()
    assert connection.address == ONE
    assert "is cut off" in (await company.check() or "")


@pytest.mark.parametrize("two", [Answer.SILENT, Answer.UNKNOWN, Answer.NOT_OURS_TO_ASK])
async def test_nobody_leaves_for_a_node_that_does_not_serve(two: Answer) -> None:
    """It would be no better there."""
    connection = FakeConnection(ONE)
    company = watched(FakeProbe(one=Answer.SILENT, two=two), connection)
    await company.round()
    assert connection.address == ONE
    said = await company.check()
    if two is Answer.SILENT:
        assert said is None  # a lost leader, which is told elsewhere
    else:
        assert said is not None
        assert "delete nothing" in said


async def test_a_node_that_is_known_alone_is_told_with_both_possibilities() -> None:
    """A load balancer, or a single node."""
    company = watched(FakeProbe(one=Answer.SILENT, two=Answer.SILENT), FakeConnection(ONE), url="10.0.0.1")
    await company.round()
    said = await company.check() or ""
    assert "leads to no other node" in said
    assert "lost the majority" in said
    assert "lost its leader" in said


async def test_a_node_that_serves_is_told_nothing_about() -> None:
    """And stays."""
    connection = FakeConnection(ONE)
    company = watched(FakeProbe(one=Answer.SERVES, two=Answer.SERVES), connection)
    await company.round()
    assert connection.address == ONE
    assert await company.check() is None


async def test_who_is_full_asks_only_when_its_publishes_wait() -> None:
    """A message would go round for nothing."""
    probe = FakeProbe(one=Answer.SERVES, two=Answer.SERVES)
    await watched(probe, FakeConnection(ONE), room=False).round()
    assert not probe.asked
    await watched(probe, FakeConnection(ONE), room=False, waits=10.0).round()
    assert probe.asked[ONE] == 1


async def test_a_lost_connection_is_asked_about_by_nobody() -> None:
    """It is being made again."""
    probe = FakeProbe(one=Answer.SILENT, two=Answer.SERVES)
    await watched(probe, FakeConnection(None)).round()
    assert not probe.asked
