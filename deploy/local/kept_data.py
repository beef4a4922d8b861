"""A RabbitMQ that refuses the data of another version: the error says so first, with what can be done."""

import re
from pathlib import Path

from deploy.local.errors import StartError

_FLAG = re.compile(r"Feature flags: `(?P<flag>\w+)`: (?:required|mandatory) feature flag not enabled")
"""RabbitMQ's own words, a hundred lines above its last ones."""


def refused_flag(log: str) -> str | None:
    """Return the feature flag for which a server did not start; None when it ended for something else."""
    found = _FLAG.search(log)
    return found["flag"] if found else None


def told(error: StartError, log: str, data: Path | str, removal: str) -> StartError:
    """Return the error with the reason before it, where it is one version's data under another.

    `log` is what the server wrote at this start; `removal` is the command that takes the data away.
    """
    flag = refused_flag(log)
    if flag is None:
        return error
    return StartError(
        f"This RabbitMQ does not take what an older one kept in {data}: it wants the feature flag `{flag}` enabled.\n"
        "  - begin anew:     the same command with another --name\n"
        f"  - or without it:  {removal}  (queues are declared again, and the ledger publishes again what was under "
        "way; dead letters are gone)\n"
        "  - or upgrade it:  start the older version on it, rabbitmqctl enable_feature_flag all, then the versions "
        "between, each once: 3.10, 3.11, 3.12, 3.13, 4.0, 4.2, 4.3 (docs/operator-guide/upgrades.md)\n"
        f"{error}"
    )


def written_since(log: Path, size: int) -> str:
    """Return what was appended to a log since it had this size: earlier starts speak in it, too."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(size)
        return file.read().decode(errors="replace")
