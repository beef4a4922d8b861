"""The API's environment."""

from pydantic import Field, SecretStr, field_validator

from shared.config import Settings
from shared.values import Seconds, SecondsOrNone

MIN_KEY = 16
"""Characters: the key is the only lock on every device of the operator."""
MIN_DIFFERENT = 6
"""Different characters: `0000000000000000` and `changechangechange` are no keys."""
PLACEHOLDERS = (
    "changeme",
    "change-me",
    "change_me",
    "example",
    "operator-key",
    "operatorkey",
    "password",
    "placeholder",
)


class ApiSettings(Settings):
    """What the API needs beside what every service needs; a default or guessable key refuses to start."""

    operator_key: SecretStr = Field(
        description="The operators' key, sent as `Authorization: Bearer <key>`",
        examples=["$(python -c 'import secrets; print(secrets.token_urlsafe(32))')"],
    )
    import_writers: int = Field(
        1, ge=1, le=8, description="Chunks of imports written at once; more is quicker only with cores to spare"
    )

    ledger_ramp: SecondsOrNone = Field(60.0, description="The senders' ramp, to tell a project's rate in force")
    ledger_retry: Seconds = Field(300.0, description="The ledger's patience with retries, to tell when one is due")
    event_streams: int = Field(100, ge=1, le=10_000, description="Server-sent event streams that one process serves")
    rate_limit: float = Field(
        500.0,
        gt=0,
        le=1_000_000,
        description="Requests a second of one key in this process, for keys without a rate of their own",
    )

    @field_validator("operator_key")
    @classmethod
    def _is_a_secret(cls, key: SecretStr) -> SecretStr:
        value = key.get_secret_value()
        if not value.isascii() or not value.isprintable() or " " in value:
            raise ValueError("it should be printable ASCII without spaces: it travels in a header")
        guessable = len(set(value)) < MIN_DIFFERENT or value.lower().startswith(PLACEHOLDERS)
        if len(value) < MIN_KEY or guessable:
            raise ValueError(f"it is too short or guessable, and should be at least {MIN_KEY} random characters")
        return key
