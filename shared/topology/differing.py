"""Exchanges and queues that exist under our names with another type or other arguments than we declare.

RabbitMQ changes no queue and no exchange that is there: it refuses to declare it otherwise, and names the first thing
that differs. The management API shows all of them (and `steering` what policies make of them).

| what differs | what is lost when it is deleted and declared anew |
|---|---|
| an exchange | nothing: who publishes to it meanwhile is refused, and tries again |
| a queue | nothing: its messages stand for rows of the ledger, whose sweeps publish them again |
| `dead` | its letters, which stand for nothing else: replay or discard them first |
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aio_pika import ExchangeType
from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelPreconditionFailed

from shared.topology import DEAD_LETTERS, EXCHANGES, QUEUES, Queue

TOPIC = ExchangeType.TOPIC.value
ADMIN = "run `python -m shared.topology` as an administrator of the vhost"

_REFUSED = re.compile(
    r"inequivalent arg '([^']+)' for \w+ '.*' in vhost '.*': received (.+) but current is (.+)$", re.DOTALL
)
_VALUE = re.compile(r"^(?:the value )?'(.*)'(?: of type '\w+')?$", re.DOTALL)

Open = Callable[[], Awaitable[AbstractChannel]]


@dataclass(frozen=True, slots=True)
class Difference:
    """One exchange or queue, what is there and what should be, and what to do about it."""

    what: str
    how: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}: {self.how}. {self.remedy}."


def remedy(what: str) -> str:
    """How an exchange or a queue comes to be as it should."""
    kind, _, name = what.partition(" ")
    if kind == "exchange":
        return f"Delete it and {ADMIN}; what is published meanwhile is tried again"
    if name == DEAD_LETTERS.name:
        return f"Replay or discard its letters (`./run dead-letters`), then delete it and {ADMIN}"
    return f"Delete it and {ADMIN}; what was in it the ledger publishes again"


async def differing(open_channel: Open, exchanges: Iterable[str], queues: Iterable[Queue]) -> list[Difference]:
    """Declare again what a look has just seen there, and tell what the broker refuses; what is the same stays.

    Raises aiormq's `ChannelAccessRefused` for a user who may not declare.
    """
    found: list[Difference] = []
    channel = await open_channel()
    try:
        for name in exchanges:
            try:
                await channel.exchange_declare(name, exchange_type=TOPIC, durable=True)
            except ChannelPreconditionFailed as error:
                found.append(_refused(f"exchange {name}", error))
                channel = await open_channel()
        for queue in queues:
            try:
                await channel.queue_declare(queue.name, durable=True, arguments={**queue.arguments})
            except ChannelPreconditionFailed as error:
                found.append(_refused(f"queue {queue.name}", error))
                channel = await open_channel()
    finally:
        await channel.close()
    return found


def _refused(what: str, error: Exception) -> Difference:
    """Read RabbitMQ's refusal, which names the first thing that differs."""
    told = _REFUSED.search(str(error))
    if told is None:
        return Difference(what, f"the broker refuses it: {error}", remedy(what))
    name, wanted, current = told.groups()
    return Difference(what, _sentence(name, _plain(current), _plain(wanted)), remedy(what))


def _plain(said: str) -> str | None:
    found = _VALUE.match(said)
    return found.group(1) if found else None if said == "none" else said


def _sentence(name: str, current: object, wanted: object) -> str:
    if wanted is None:
        return f"{name} is {_written(current)} and should not be set"
    return f"{name} is {'not set' if current is None else _written(current)} and should be {_written(wanted)}"


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def seen_different(
    exchanges: Sequence[Mapping[str, Any]], queues: Sequence[Mapping[str, Any]], wanted: Sequence[Queue] = QUEUES
) -> list[Difference]:
    """All that differs in what the management API lists of a vhost; what is missing does not."""
    fixed: dict[str, Any] = {"type": TOPIC, "durable": True, "auto_delete": False, "internal": False}
    kept: dict[str, Any] = {"durable": True, "auto_delete": False}
    found = [_compared(f"exchange {seen['name']}", seen, fixed, {}) for seen in exchanges if seen["name"] in EXCHANGES]
    there = {seen["name"]: seen for seen in queues}
    for queue in wanted:
        seen = there.get(queue.name)
        if seen is not None:
            found.append(_compared(f"queue {queue.name}", seen, kept, queue.arguments))
    return [difference for difference in found if difference is not None]


def _compared(
    what: str, seen: Mapping[str, Any], properties: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Difference | None:
    """Hold what is there against what should be."""
    there = {**{name: seen.get(name) for name in properties}, **(seen.get("arguments") or {})}
    wanted = {**properties, **arguments}
    names = sorted(name for name in {*there, *wanted} if there.get(name) != wanted.get(name))
    how = ", ".join(_sentence(name, there.get(name), wanted.get(name)) for name in names)
    return Difference(what, how, remedy(what)) if names else None
