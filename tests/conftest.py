"""What every test may ask for. Servers start at the first test that needs one; unit tests have no sockets."""

import os
import socket
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import settings

from deploy.local.broker import Broker
from deploy.local.errors import LocalStackError
from tests.support.arrangement import longest_first, mark_groups
from tests.support.servers import Servers, running_servers
from tests.support.shared_broker import SHARED_BROKER, SharedBroker, ask
from tests.support.versions import RAN_ON

settings.register_profile("carillon", deadline=None)
settings.load_profile("carillon")
"""No deadline for an example: it would measure what else the machine does."""

WORKERS_PER_CORE = 2
"""Processes that run tests: they wait more than they compute, but each collects them all (12 s of CPU)."""

DIFFERS_BY_VERSION = (
    "integration/shared/amqp",
    "integration/shared/test_topology.py",
    "integration/deploy/local/test_rabbitmq.py",
    "integration/deploy/prometheus",
    "integration/deploy/rabbitmq",
    "integration/deploy/tls/test_broker.py",
    "integration/api/system/test_dead_letters.py",
    "integration/api/system/test_lanes_and_workers.py",
    "flow/test_outages.py",
    "flow/test_repair.py",
)
"""What meets RabbitMQ's own behaviour: marked `broker_versions`, for a run on a second version."""

NEWEST_ONLY = ("integration/shared/amqp/test_minority.py",)
"""What RabbitMQ 3.10 is not asked: its majority may elect no leader for minutes in a second partition."""


def pytest_configure(config: pytest.Config) -> None:
    """Keep a place for the versions, and in the process that directs the run one for the broker."""
    ran_on: set[str] = set()
    config.stash[RAN_ON] = ran_on
    if not hasattr(config, "workerinput"):
        config.stash[SHARED_BROKER] = SharedBroker()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the broker with the run."""
    if (shared := config.stash.get(SHARED_BROKER, None)) is not None:
        shared.close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker where to ask for the broker."""
    node.workerinput["broker"] = node.config.stash[SHARED_BROKER].address()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None]:
    """Mark what differs by RabbitMQ's version, and arrange tests for workers once their order was drawn."""
    differ, newest = ([Path(__file__).parent / name for name in names] for names in (DIFFERS_BY_VERSION, NEWEST_ONLY))
    for item in items:
        if any(map(item.path.is_relative_to, differ)) and item.path not in newest:
            item.add_marker(pytest.mark.broker_versions)
    mark_groups(items)
    yield
    if hasattr(config, "workerinput"):
        longest_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Tell how many processes `-n auto` is."""
    return WORKERS_PER_CORE * (os.cpu_count() or 1)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Have a worker tell what its tests ran on."""
    if hasattr(session.config, "workeroutput"):
        ran_on = session.config.stash[RAN_ON]
        session.config.workeroutput["ran_on"] = sorted(ran_on)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear it; a worker that died tells nothing."""
    node.config.stash[RAN_ON] |= set(getattr(node, "workeroutput", {}).get("ran_on", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tell at the end what the tests ran on."""
    ran_on = config.stash[RAN_ON]
    for servers in sorted(ran_on):
        terminalreporter.write_line(f"ran on {servers}")


@pytest.fixture(autouse=True)
def no_sockets_in_unit_tests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make any connection or listener an error below `tests/unit`."""
    if "unit" not in request.path.relative_to(request.config.rootpath).parts:
        return

    def refuse(*_: object, **__: object) -> NoReturn:
        raise RuntimeError("A unit test touched the network: it belongs to tests/integration.")

    for name in ("connect", "connect_ex", "bind"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(autouse=True)
def no_ramp(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every project start at its full rate: a minute's ramp is for FCM, not for its emulator."""
    monkeypatch.setenv("CARILLON_LEDGER_RAMP", "0")


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    """PostgreSQL and RabbitMQ. Where they cannot run, a desk skips what needs them; CI and a named broker fail."""
    config = request.config
    worker = getattr(config, "workerinput", None)
    broker = config.stash[SHARED_BROKER].get if worker is None else partial(ask, worker["broker"])
    session = running_servers(broker, "main" if worker is None else worker["workerid"])
    try:
        ready = session.__enter__()
    except LocalStackError as error:
        if os.environ.get("CI") == "true" or os.environ.get("CARILLON_AMQP_URL"):
            raise
        pytest.skip(str(error))
    config.stash[RAN_ON].add(ready.versions())
    yield ready
    session.__exit__(None, None, None)


@pytest.fixture
def database_url(servers: Servers) -> Iterator[str]:
    """Give a database of the test's own at the newest schema."""
    with servers.database() as url:
        yield url


@pytest.fixture
def empty_database_url(servers: Servers) -> Iterator[str]:
    """Give a database of the test's own with nothing in it."""
    with servers.database(template="template0") as url:
        yield url


@pytest.fixture
def amqp_url(servers: Servers) -> Iterator[str]:
    """Give a vhost of the test's own with the topology declared."""
    with servers.vhost() as url:
        yield url


@pytest.fixture
def empty_amqp_url(servers: Servers) -> Iterator[str]:
    """Give a vhost of the test's own with nothing in it."""
    with servers.vhost(topology=False) as url:
        yield url


@pytest.fixture
def broker(servers: Servers) -> Broker:
    """Give the broker itself: its management API, its vhosts."""
    return servers.broker


@pytest.fixture
def own_broker(broker: Broker) -> Broker:
    """Give a broker with which a test may do more than with its own vhosts: its users, its nodes."""
    if broker.foreign:
        pytest.skip("the broker in CARILLON_AMQP_URL is somebody else's: this needs one of the tests' own")
    return broker
