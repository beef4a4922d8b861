"""What a local stack consists of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.broker import Broker
from deploy.local.guardian import Guardian


@dataclass(frozen=True)
class StackOptions:
    """What to start, and where to keep it."""

    name: str = "stack"
    keep: bool = False
    """Keep the data under `name` and reuse it, rather than start from nothing and leave nothing."""
    durable: bool = True
    """Whether PostgreSQL writes to disk before it answers."""
    planners: int = 1
    senders: tuple[str, ...] = ("high,normal,low",)
    """The lanes of each sender process."""
    aggregators: int = 1
    api_port: int | None = None
    """None: a free one."""
    emulator: tuple[str, ...] = ()
    """More options of the emulator's command."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """More `CARILLON_*` for every service; they beat the stack's own."""
    broker: Callable[[Path, Guardian], Broker] | None = None
    """Starts the broker in a folder; None: what the environment names, else Docker's, else the machine's package."""
    say: Callable[[str], None] = lambda _: None
    """Told what is being done, for a person to read."""
