"""What every test may ask for. Servers start at the first test that needs one; unit tests have no sockets."""

import os
import socket
from collections.abc import Iterator
from typing import NoReturn

import pytest
from hypothesis import settings

from deploy.local.broker import Broker
from deploy.local.errors import LocalStackError
from tests.support.servers import Servers, running_servers

settings.register_profile("carillon", deadline=None)
settings.load_profile("carillon")
"""No deadline for an example: it would measure what else the machine does."""


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
def servers() -> Iterator[Servers]:
    """PostgreSQL and RabbitMQ. Where they cannot run, a desk skips what needs them and CI fails."""
    session = running_servers()
    try:
        ready = session.__enter__()
    except LocalStackError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
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
