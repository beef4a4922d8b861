"""Forwarders between one process and its servers, so that its connections alone can be cut."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

from deploy.local.ports import LOOPBACK, free_port
from tests.support.forwarder import Forwarder


@dataclass
class Links:
    """The forwarders of one process, one for each host of a server."""

    broker: Sequence[Forwarder]
    database: Sequence[Forwarder]


async def behind_forwarders(url: str, stack: AsyncExitStack) -> tuple[str, list[Forwarder]]:
    """Put a forwarder before each host of a URL, closed with the stack; returns the URL that names them instead."""
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    forwarders = []
    for at in hosts.split(","):
        host, _, port = at.partition(":")
        forwarder = Forwarder(free_port(), to=int(port), host=host)
        await forwarder.open()
        stack.push_async_callback(forwarder.close)
        forwarders.append(forwarder)
    named = ",".join(f"{LOOPBACK}:{forwarder.port}" for forwarder in forwarders)
    return parts._replace(netloc=f"{login}@{named}").geturl(), forwarders
