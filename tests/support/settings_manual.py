"""Every setting of every process, read from the classes that read them, as a page of the operator's guide.

`python -m tests.support.settings_manual` writes `docs/operator-guide/settings.md`.
"""

from collections.abc import Iterator

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from deploy.local.folders import REPOSITORY
from services.aggregator.__main__ import AggregatorSettings
from services.api.settings import ApiSettings
from services.planner.__main__ import PlannerSettings
from services.sender.__main__ import SenderSettings
from shared.config import FcmSettings, Settings
from shared.ledger.migrations.__main__ import MigrationSettings
from shared.ledger.retention import Retention
from shared.ledger.times import Times
from shared.topology.__main__ import TopologySettings

PAGE = REPOSITORY / "docs" / "operator-guide" / "settings.md"

SECTIONS: dict[str, tuple[type[BaseSettings], ...]] = {
    "Every service": (Settings,),
    "api": (ApiSettings,),
    "planner": (PlannerSettings, Retention),
    "sender": (SenderSettings, FcmSettings),
    "aggregator": (AggregatorSettings,),
    "The ledger's times, in seconds; the same in every service": (Times,),
    "python -m shared.topology": (TopologySettings,),
    "python -m shared.ledger.migrations": (MigrationSettings,),
}

HEAD = """# Settings

Environment variables; written by `python -m tests.support.settings_manual` from the classes that read them. Each may
be given as a file instead, as orchestrators mount secrets: `CARILLON_AMQP_URL_FILE=/run/secrets/amqp_url`. An empty
variable counts as not set, white space around what a file holds does not count. A process that is given something wrong
does not start: it ends with code 1 and a sentence that names the variable, the reason and an example, and repeats
nothing of the value, which may be a secret. A variable that begins with `CARILLON_` and that nothing reads is told in
one warning at the start (`CARILLON_LANE`: did you mean `CARILLON_LANES`?).

In both URLs user and password are written once, before the first host, and percent-encoded (`@` is `%40`, `#` is `%23`,
`/` is `%2F`); several hosts stand between commas, each with its port or without. The ledger's URL is what asyncpg
takes: `?sslmode=`, `?target_session_attrs=`, a socket's folder as `?host=/run/postgresql`; `postgres://` is the same.

What the emulator takes is in `python -m services.fcm_emulator --help`, what `./run` takes in `./run help`.
"""


def kinds() -> Iterator[type[BaseSettings]]:
    """Every class of settings."""
    for section in SECTIONS.values():
        yield from section


def variables() -> set[str]:
    """Every variable that any process reads, each also with `_FILE` behind it."""
    found = {_variable(kind, field) for kind in kinds() for field in kind.model_fields}
    return found | {f"{name}_FILE" for name in found}


def as_markdown() -> str:
    """The page."""
    parts = [HEAD]
    shared = set(Settings.model_fields)
    for title, section in SECTIONS.items():
        rows = [
            f"| `{_variable(kind, name)}` | {_default(field)} | {_description(kind, name, field)} |"
            for kind in section
            for name, field in kind.model_fields.items()
            if kind is Settings or not issubclass(kind, Settings) or name not in shared
        ]
        parts.append("\n".join((f"## {title}\n", "| Variable | Default | Meaning |", "|---|---|---|", *rows, "")))
    return "\n".join(parts)


def _variable(kind: type[BaseSettings], field: str) -> str:
    return f"{kind.model_config.get('env_prefix', '')}{field}".upper()


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    default = field.get_default(call_default_factory=False)
    if default is None:
        return "none"
    if isinstance(default, tuple):
        return f"`{','.join(str(part) for part in default)}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def _description(kind: type[BaseSettings], name: str, field: FieldInfo) -> str:
    assert field.description, f"{kind.__name__}.{name} has no description"
    return field.description.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(as_markdown())
