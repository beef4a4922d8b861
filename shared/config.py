"""Settings that every service shares, read from `CARILLON_*` in `__main__` and passed down.

Any of them may be given as a file instead, as orchestrators mount secrets: `CARILLON_AMQP_URL_FILE` names a file whose
content is `CARILLON_AMQP_URL`. What a value may be stands in `values`; what is said of a wrong one repeats none of it.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared import database_url
from shared.amqp import hosts
from shared.errors import ConfigurationError
from shared.values import (
    Address,
    BaseUrl,
    BrokerUrl,
    Certificates,
    DatabaseUrl,
    Folder,
    Level,
    Seconds,
    WebUrl,
)

S = TypeVar("S", bound=BaseSettings)

WORDS = {
    "int_parsing": "it should be a whole number, without a unit",
    "int_parsing_size": "it should be a whole number, and not as long",
    "float_parsing": "it should be a number, without a unit",
    "greater_than": "it should be more than {gt:g}",
    "greater_than_equal": "it should be at least {ge}",
    "less_than_equal": "it should be at most {le:g}",
    "enum": "it should be {expected}",
    "string_pattern_mismatch": "it should be DEBUG, INFO, WARNING or ERROR",
    "too_short": "it names nothing",
    "string_unicode": "it is no text",
}
"""Pydantic's types of error in our words; any other is an error whose text is ours already."""


def load(kind: type[S]) -> S:
    """Read settings from the environment; the `ConfigurationError` lists every variable that is missing or wrong.

    Its text and what hangs on it hold nothing of any value.
    """
    given = _from_files(kind)
    try:
        return kind(_env_ignore_empty=True, **given)
    except ValidationError as error:
        every = error.errors(include_url=False, include_input=False)
    # Raised here, where the error that knows the values is no part of what is raised.
    first = {fault["loc"][:1]: fault for fault in reversed(every)}  # of each variable
    faults = [fault for fault in every if fault in first.values()]
    raise ConfigurationError(f"Settings are wrong. {' '.join(_in_words(kind, fault, given) for fault in faults)}")


def _in_words(kind: type[BaseSettings], fault: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """One sentence: the variable, the reason, and an example where the reason has none."""
    context = fault.get("ctx", {})
    told = str(context["error"]) if fault["type"] == "value_error" else fault["msg"]
    reason = WORDS.get(fault["type"], told).format_map(context) if fault["type"] in WORDS else told
    if not fault["loc"]:
        return f"{reason}."  # of several variables, which it names
    field = str(fault["loc"][0])
    name = variable(kind, field)
    example = example_of(kind, field)
    if fault["type"] == "missing":
        return f"{name} is needed and not set; an example is {name}={example}."
    source = f" (the content of {name}_FILE)" if field in given else ""
    return f"{name}{source} is wrong: {reason}{'' if example in reason else f'; an example is {name}={example}'}."


def variable(kind: type[BaseSettings], field: str) -> str:
    """The variable that a field is read from."""
    return f"{kind.model_config.get('env_prefix', '')}{field}".upper()


def example_of(kind: type[BaseSettings], field: str) -> str:
    """A value that would do: the field's own example, else its default."""
    info = kind.model_fields[field]
    value = info.examples[0] if info.examples else info.get_default(call_default_factory=False)
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _from_files(kind: type[BaseSettings]) -> dict[str, Any]:
    """The settings that a variable with `_FILE` behind its name leads to, without the white space around them."""
    found = {}
    for field in kind.model_fields:
        name = variable(kind, field)
        path = os.environ.get(f"{name}_FILE")
        if not path:
            continue
        if os.environ.get(name):
            raise ConfigurationError(f"{name} and {name}_FILE are both set: which one counts? Unset one of them.")
        found[field] = _content(f"{name}_FILE", path)
    return found


def _content(name: str, path: str) -> str:
    """What a file holds. Its path is not repeated: somebody may have written the secret itself there."""
    fault = "the file is empty"
    try:
        if text := Path(path).read_text(encoding="utf-8-sig").strip():
            return text
    except UnicodeDecodeError:
        fault = "the file is no text in UTF-8"
    except (OSError, ValueError) as error:
        fault = f"the file cannot be read: {getattr(error, 'strerror', None) or 'it cannot have such a name'}"
    mounted = name.removeprefix("CARILLON_").removesuffix("_FILE").lower()
    raise ConfigurationError(f"{name} is wrong: {fault}; an example is {name}=/run/secrets/{mounted}.")


class Settings(BaseSettings):
    """The environment of any process of Carillon; services extend it with their own.

    Raises `ConfigurationError` from `load()` when a variable is missing or wrong, naming it.
    """

    model_config = SettingsConfigDict(env_prefix="CARILLON_", extra="ignore", frozen=True, hide_input_in_errors=True)

    database_url: DatabaseUrl = Field(
        description="The ledger: postgresql://user:password@host:port/database", examples=[database_url.EXAMPLE]
    )
    amqp_url: BrokerUrl = Field(
        description="The broker and its vhost: amqp://user:password@host:port/vhost", examples=[hosts.EXAMPLE]
    )
    log_level: Level = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")
    http_host: Address = Field("127.0.0.1", description="Address of the API, or of a worker's probes and metrics")
    http_port: int = Field(8000, ge=0, le=65535, description="Port of the same; 0 takes a free one")
    start_timeout: Seconds = Field(
        60.0, description="Seconds to wait for the broker and PostgreSQL at start before giving up"
    )
    drain_timeout: Seconds = Field(
        30.0, description="Seconds that SIGTERM leaves for work in flight before it is abandoned"
    )

    repair_every: Seconds = Field(
        10.0, description="Seconds between looks whether the broker's exchanges and queues are all there"
    )
    repair_leaderless: Seconds = Field(
        60.0, description="Seconds that a queue gives no sign of life before it is deleted and declared anew"
    )

    traces_url: WebUrl | None = Field(
        None,
        description="Where traces go, OTLP over HTTP: http://collector:4318/v1/traces; none: there are no traces",
        examples=["http://collector:4318/v1/traces"],
        repr=False,  # some collectors want their key in it
    )
    traces_share: float = Field(1.0, ge=0, le=1, description="Share of traces that are recorded")

    @classmethod
    def load(cls) -> Self:
        """Read the environment; see `load`."""
        return load(cls)


class FcmSettings(BaseSettings):
    """Where FCM is and which credentials speak to it."""

    model_config = SettingsConfigDict(
        env_prefix="CARILLON_FCM_", extra="ignore", frozen=True, hide_input_in_errors=True, validate_default=False
    )

    url: BaseUrl = Field("https://fcm.googleapis.com", description="FCM, or anything that speaks its HTTP v1")
    ca_file: Certificates | None = Field(
        None, description="CA certificates to trust for it, when not the system's", examples=["/etc/ssl/fcm-ca.pem"]
    )
    credentials_dir: Folder = Field(
        Path("credentials"), description="Folder with a service-account file per project: <project>.json"
    )
