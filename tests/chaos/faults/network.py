"""Connections of one process to its servers: cut, and held half-open."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Literal

from tests.chaos.faults import Act, Aimed, Fault
from tests.chaos.stage import REMOTE, Stage
from tests.support.forwarder import Forwarder

Server = Literal["broker", "database"]


def _links(stage: Stage, name: str, server: Server) -> Sequence[Forwarder]:
    links = stage.links[name]
    return links.broker if server == "broker" else links.database


def cut(name: str, server: Server) -> Act:
    """Reset every connection of the process to the server."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncGenerator[str]:
        for link in _links(stage, name, server):
            link.cut()
        yield ""

    return act


def half_open(name: str, server: Server) -> Act:
    """Let both sides believe that the other has nothing to say; in the end the connections are gone."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncGenerator[str]:
        for link in _links(stage, name, server):
            link.hold()
        try:
            yield ""
        finally:
            for link in _links(stage, name, server):
                link.let_go()

    return act


def _cut(server: Server) -> Fault:
    def aim(rng: Random) -> Aimed:
        name = rng.choice(REMOTE)
        return Aimed(name, frozenset({f"{server} of {name}"}), 0.0, cut(name, server))

    return Fault(f"{server} connections cut", aim)


def _half_open(server: Server) -> Fault:
    def aim(rng: Random) -> Aimed:
        name = rng.choice(REMOTE)
        return Aimed(name, frozenset({f"{server} of {name}"}), rng.uniform(5.0, 25.0), half_open(name, server))

    return Fault(f"{server} connections half-open", aim)


FAULTS = (_cut("broker"), _cut("database"), _half_open("broker"), _half_open("database"))
