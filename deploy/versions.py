"""The versions of the servers that Carillon is tested on, and where each comes from.

The only place that names them. compose.yaml, the Kubernetes manifests, `./run help` and the operator's guide repeat
them, and tests hold them equal; everything else takes them from here.
"""

from dataclasses import dataclass

RABBITMQ_IMAGE = "rabbitmq:4.3-management"
"""Pinned to a series: 4.3 is reached only from 4.2, so a tag that moves on would leave a kept volume behind."""

POSTGRES_IMAGE = "postgres:18"
"""The major version of the embedded server, which demo and tests run."""


@dataclass(frozen=True)
class Suite:
    """A suite of Debian and the series that it held when the suite of tests last ran on it."""

    name: str
    rabbitmq: str
    erlang: str
    postgresql: str


BOOKWORM = Suite("bookworm", rabbitmq="3.10", erlang="25", postgresql="15")
TRIXIE = Suite("trixie", rabbitmq="4.0", erlang="27", postgresql="17")
SID = Suite("sid", rabbitmq="4.3", erlang="29", postgresql="18")
"""It moves: which version a run had is what it prints."""

ON: dict[str, tuple[Suite, ...]] = {
    "rabbitmq-3.10": (BOOKWORM,),
    "rabbitmq-4.0": (TRIXIE,),
    "rabbitmq-4.3": (SID, TRIXIE),
}
"""What `./run on` takes, and the suites that can serve it: the first that can be had does."""
