"""Settings that every service shares, read from `CARILLON_*` in `__main__` and passed down.

Any of them may be given as a file instead, as orchestrators mount secrets: `CARILLON_AMQP_URL_FILE` names a file whose
content is `CARILLON_AMQP_URL`.
"""

import os
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import Field, PostgresDsn, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import ConfigurationError

S = TypeVar("S", bound=BaseSettings)


def load(kind: type[S]) -> S:
    """Read settings from the environment; the `ConfigurationError` lists every variable that is missing or wrong."""
    try:
        return kind(_env_ignore_empty=True, **_from_files(kind))
    except ValidationError as error:
        prefix = kind.model_config.get("env_prefix", "")
        faults = "; ".join(
            f"{prefix}{'_'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
            for fault in error.errors()
        )
        raise ConfigurationError(f"Settings are wrong. {faults}") from None


def _from_files(kind: type[BaseSettings]) -> dict[str, Any]:
    """The settings that a variable with `_FILE` behind its name leads to; a last line feed is the editor's."""
    prefix = kind.model_config.get("env_prefix", "")
    found = {}
    for field in kind.model_fields:
        name = f"{prefix}{field}".upper()
        path = os.environ.get(f"{name}_FILE")
        if not path:
            continue
        if os.environ.get(name):
            raise ConfigurationError(f"{name} and {name}_FILE are both set: which one counts? Unset one of them.")
        try:
            found[field] = Path(path).read_text().removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{name}_FILE cannot be read: {error}") from None
    return found


class Settings(BaseSettings):
    """The environment of any process of Carillon; services extend it with their own.

    Raises `ConfigurationError` from `load()` when a variable is missing or wrong, naming it.
    """

    model_config = SettingsConfigDict(env_prefix="CARILLON_", extra="ignore", frozen=True)

    database_url: PostgresDsn = Field(description="The ledger: postgresql://user:password@host:port/database")
    amqp_url: SecretStr = Field(description="The broker and its vhost: amqp://user:password@host:port/vhost")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")
    http_host: str = Field("127.0.0.1", description="Address of the API, or of a worker's probes and metrics")
    http_port: int = Field(8000, ge=0, le=65535, description="Port of the same; 0 takes a free one")
    start_timeout: float = Field(
        60.0, gt=0, description="Seconds to wait for the broker and PostgreSQL at start before giving up"
    )
    drain_timeout: float = Field(
        30.0, gt=0, description="Seconds that SIGTERM leaves for work in flight before it is abandoned"
    )

    repair_every: float = Field(
        10.0, gt=0, description="Seconds between looks whether the broker's exchanges and queues are all there"
    )
    repair_leaderless: float = Field(
        60.0, gt=0, description="Seconds that a queue gives no sign of life before it is deleted and declared anew"
    )

    traces_url: str | None = Field(
        None, description="Where traces go, OTLP over HTTP: http://collector:4318/v1/traces; none: there are no traces"
    )
    traces_share: float = Field(1.0, ge=0, le=1, description="Share of traces that are recorded")

    @classmethod
    def load(cls) -> Self:
        """Read the environment; see `load`."""
        return load(cls)


class FcmSettings(BaseSettings):
    """Where FCM is and which credentials speak to it."""

    model_config = SettingsConfigDict(env_prefix="CARILLON_FCM_", extra="ignore", frozen=True)

    url: str = Field("https://fcm.googleapis.com", description="FCM, or anything that speaks its HTTP v1")
    ca_file: Path | None = Field(None, description="CA certificates to trust for it, when not the system's")
    credentials_dir: Path = Field(
        Path("credentials"), description="Folder with a service-account file per project: <project>.json"
    )
