"""Every variable that any part of Carillon reads, so that a name that nobody reads is told: `CARILLON_LANE=high`.

Processes share files of variables, so a name counts as known if anybody reads it. A test holds these to the classes.
"""

import difflib
import re
from collections.abc import Iterable

PREFIX = "CARILLON_"

SETTINGS = (
    "AMQP_URL", "BATCHES", "BROKER_PASSWORDS_DIR", "DATABASE_URL", "DRAIN_TIMEOUT", "EVENT_STREAMS", "FCM_CA_FILE",
    "FCM_CREDENTIALS_DIR", "FCM_URL", "HTTP_HOST", "HTTP_PORT", "IMPORT_WRITERS", "LANES", "LEDGER_LEASE",
    "LEDGER_MARGIN", "LEDGER_PROBE", "LEDGER_PUBLISH", "LEDGER_QUEUED", "LEDGER_QUEUED_MAX", "LEDGER_RAMP",
    "LEDGER_REPORT", "LEDGER_RETRY", "LEDGER_STEP", "LOG_LEVEL", "MANAGEMENT_CA_FILE", "MANAGEMENT_URL",
    "MAX_IN_FLIGHT", "OPERATOR_KEY", "RATE_LIMIT", "REPAIR_EVERY", "REPAIR_LEADERLESS", "RETENTION_AUDIT",
    "RETENTION_CAMPAIGNS", "RETENTION_EVENTS", "RETENTION_INTERVAL", "START_TIMEOUT", "TICK", "TRACES_SHARE",
    "TRACES_URL", "WINDOW_AGE", "WINDOW_SIZE", "WORKERS",
)  # fmt: skip
"""Of the services, the bootstrap and the migrations; each may have `_FILE` behind it."""

TOOLS = (
    "API_PORT", "API_URL", "BROKER", "FCM_CREDENTIALS", "IMAGE", "LEDGER_PLAYS", "LEDGER_TWINS", "OPENAPI_EXAMPLES",
    "OPENAPI_SEED", "RABBITMQ_IMAGE", "RABBITMQ_MANAGEMENT_URL", "RABBITMQ_SERVER", "ROOTS", "TEST_SERVERS",
)  # fmt: skip
"""Of compose.yaml, `./run` and the tests."""

EMULATOR = f"{PREFIX}EMULATOR_"
"""What its command line takes stands in its help."""

_KUBERNETES = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$")
"""What Kubernetes tells every pod about a service, unless `enableServiceLinks` is false."""

KNOWN = frozenset({f"{PREFIX}{name}" for name in (*SETTINGS, *TOOLS)} | {f"{PREFIX}{name}_FILE" for name in SETTINGS})


def unknown(names: Iterable[str]) -> dict[str, str | None]:
    """Names that begin as ours and that nobody reads, each with the one that was perhaps meant."""
    found: dict[str, str | None] = {}
    for name in sorted(names):
        ours = name.upper()
        if not ours.startswith(PREFIX) or ours in KNOWN or ours.startswith(EMULATOR) or _KUBERNETES.search(ours):
            continue
        found[name] = next(iter(difflib.get_close_matches(ours, sorted(KNOWN), n=1, cutoff=0.8)), None)
    return found


def strangers(names: Iterable[str]) -> str | None:
    """One warning for all of them, or None; their values are nobody's to tell."""
    found = unknown(names)
    if not found:
        return None
    told = ", ".join(name if meant is None else f"{name} (did you mean {meant}?)" for name, meant in found.items())
    return f"No part of Carillon reads {told}."
