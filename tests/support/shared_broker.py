"""One RabbitMQ for a whole run of tests, in however many processes: Erlang takes 4 s of CPU to start.

The process that directs the run starts it when the first test asks, and ends it with the run. Its workers ask over a
Unix socket, and get a copy of the `Broker` that says where it is: they can neither stop nor restart it.
"""

import contextlib
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from multiprocessing.connection import Client, Listener

import pytest

from deploy.local.broker import Broker, foreign_broker
from deploy.local.broker_choice import start_broker
from deploy.local.errors import LocalStackError
from deploy.local.folders import fresh
from deploy.local.guardian import Guardian
from tests.support.containers import in_containers, rabbitmq_container

Address = tuple[str, bytes]
"""Where the directing process answers, and the key that it wants."""


class SharedBroker:
    """The directing process's side: it runs until `close`. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends = contextlib.ExitStack()
        self._found: Broker | Exception | None = None
        self._address: Address | None = None

    def close(self) -> None:
        """End it, and answer nobody any more."""
        self._ends.close()

    def get(self) -> Broker:
        """Start it, or tell what was started or found before; raises what kept it from starting, each time."""
        with self._lock:
            if self._found is None:
                try:
                    self._found = self._ends.enter_context(running_broker())
                except Exception as error:  # noqa: BLE001 - who asks gets it
                    self._found = error
        if isinstance(self._found, Exception):
            raise self._found
        return self._found

    def address(self) -> Address:
        """Answer other processes from now on; return where."""
        if self._address is None:
            key = secrets.token_bytes(16)
            listener = self._ends.enter_context(Listener(family="AF_UNIX", authkey=key))
            threading.Thread(target=self._answer, args=(listener,), name="broker of the tests", daemon=True).start()
            self._address = (str(listener.address), key)
        return self._address

    def _answer(self, listener: Listener) -> None:
        """Answer one after another, until the listener is closed."""
        while True:
            try:
                connection = listener.accept()
            except OSError:
                return
            with connection:
                connection.send(self._told())

    def _told(self) -> Broker | Exception:
        """What another process can use of the broker, or be told of why there is none."""
        try:
            return replace(self.get(), process=None, stop=_not_yours)
        except LocalStackError as error:
            return error
        except Exception as error:  # noqa: BLE001 - not all can be pickled
            return RuntimeError(repr(error))


SHARED_BROKER = pytest.StashKey[SharedBroker]()
"""Where the directing process keeps its side."""


def ask(address: Address) -> Broker:
    """Ask the directing process; raises what it was told."""
    where, key = address
    with Client(where, family="AF_UNIX", authkey=key) as connection:
        told: Broker | Exception = connection.recv()
    if isinstance(told, Exception):
        raise told
    return told


def _not_yours() -> None:
    raise RuntimeError("This broker serves other tests as well: start one of your own.")


def named_broker(environment: Mapping[str, str]) -> Broker | None:
    """Return the broker that the environment names, whose management API answers; None when it names none."""
    url = environment.get("CARILLON_AMQP_URL")
    if not url:
        return None
    broker = foreign_broker(url, environment.get("CARILLON_RABBITMQ_MANAGEMENT_URL"))
    broker.manage("GET", "/whoami")
    return broker


@contextlib.contextmanager
def running_broker() -> Iterator[Broker]:
    """The broker that the environment names; else Docker's, where an engine answers and has the images; else ours."""
    if (named := named_broker(os.environ)) is not None:
        yield named
        return
    if in_containers():
        with rabbitmq_container() as broker:
            yield broker
        return
    environment = {**os.environ, "CARILLON_BROKER": "package"}
    with fresh("broker") as folder, Guardian() as guardian:
        guardian.discard(folder)
        broker = start_broker(folder / "rabbitmq", guardian, environment, keep=False, say=lambda _: None)
        try:
            yield broker
        finally:
            broker.stop()
