"""Three nodes in namespaces: formed, parted, healed, and gone without a trace."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from deploy.local.folders import REPOSITORY
from deploy.local.guardian import Guardian
from tests.support.cluster import Cluster, NoClusterError, running_cluster
from tests.support.cluster.namespaces import ip, made, remove_left_over, why_not
from tests.support.cluster.network import NODES
from tests.support.eventually import eventually

QUEUE = "parted"
UNCONFIRMED = 3.0
"""Seconds without a confirm after which there is taken to be none."""

RUN = """
import os, time
from deploy.local.guardian import Guardian
from tests.support.cluster.namespaces import made
with Guardian() as guardian, made(guardian) as wiring:
    if {alone}:
        os.kill(guardian._process.pid, 9)
    print(wiring.network.namespaces[0], flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _possible() -> None:
    """Whoever is no root can make no namespace; CI is."""
    if reason := why_not():
        if os.environ.get("CI") == "true":
            raise NoClusterError(reason)
        pytest.skip(reason)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Three nodes."""
    with Guardian() as guardian, running_cluster(tmp_path, guardian) as running:
        yield running


async def _said(channel: AbstractChannel) -> bool:
    """Whether the cluster confirms a message soon."""
    message = aio_pika.Message(b"ding", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
    try:
        await asyncio.wait_for(channel.default_exchange.publish(message, QUEUE), UNCONFIRMED)
    except TimeoutError:
        return False
    return True


@pytest.mark.timeout(180)
async def test_a_node_cut_off_takes_messages_and_confirms_none_until_it_is_healed(cluster: Cluster) -> None:
    """The majority goes on meanwhile, and has the message that it confirmed."""
    first, _, third = cluster.nodes
    async with (
        await aio_pika.connect(first.broker.amqp_url()) as majority,
        await aio_pika.connect(third.broker.amqp_url()) as minority,
        majority.channel() as there,
        minority.channel() as here,
    ):
        await there.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        members = first.broker.manage("GET", f"/queues/carillon/{QUEUE}")["members"]
        assert sorted(members) == sorted(node.member for node in cluster.nodes)
        assert await _said(here)
        cluster.part(3, from_clients=False)
        assert not third.whole
        assert not await _said(here)
        assert await _said(there)
        cluster.heal()
        await eventually(lambda: _said(here), within=60)
        cluster.wait_whole()
        kept = (await there.declare_queue(QUEUE, passive=True)).declaration_result.message_count
        assert kept is not None
        assert kept >= 3


def _namespaces() -> set[str]:
    return {found["name"] for found in json.loads(ip("-json", "netns", "list") or "[]")}


async def _killed_run(*, alone: bool) -> str:
    """Kill a run that has made its namespaces, with its guardian or without; one of their names."""
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", RUN.format(alone=alone)), cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE
    )
    assert run.stdout is not None
    name = (await run.stdout.readline()).decode().strip()
    assert name in _namespaces()
    run.send_signal(signal.SIGKILL)
    await run.wait()
    return name


async def test_a_killed_run_leaves_no_namespace() -> None:
    """Its guardian removes them."""
    name = await _killed_run(alone=False)
    await eventually(lambda: name not in _namespaces())


async def test_what_a_run_left_that_was_killed_with_its_guardian_is_removed_by_the_next() -> None:
    """Before it makes its own."""
    name = await _killed_run(alone=True)
    assert name in _namespaces()
    remove_left_over()
    assert name not in _namespaces()


def test_a_network_is_made_and_removed() -> None:
    """Interfaces of this machine go with it."""
    with Guardian() as guardian, made(guardian) as wiring:
        network = wiring.network
        assert set(network.namespaces) <= _namespaces()
        for node in NODES:
            assert wiring.slow(node, "peers")
            wiring.quicken(node, "peers")
    assert not set(network.namespaces) & _namespaces()
    assert network.interface not in ip("link")


def test_whoever_is_not_root_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """In words, before anything is made."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with Guardian() as guardian, pytest.raises(NoClusterError, match="run this as root"), made(guardian):
        pass
