"""The API's environment."""

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError

from shared.config import Settings

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

    operator_key: SecretStr = Field(description="The operators' key, sent as `Authorization: Bearer <key>`")
    import_writers: int = Field(
        1, ge=1, le=8, description="Chunks of imports written at once; more is quicker only with cores to spare"
    )

    ledger_ramp: float = Field(60.0, ge=0, description="The senders' ramp, to tell a project's rate in force")
    ledger_retry: float = Field(300.0, gt=0, description="The ledger's patience with retries, to tell when one is due")
    event_streams: int = Field(100, ge=1, le=10_000, description="Server-sent event streams that one process serves")
    rate_limit: float = Field(
        500.0, gt=0, description="Requests a second of one key in this process, for keys without a rate of their own"
    )

    @field_validator("operator_key")
    @classmethod
    def _is_a_secret(cls, key: SecretStr) -> SecretStr:
        value = key.get_secret_value()
        if not value.isascii() or not value.isprintable() or " " in value:
            raise PydanticCustomError("operator_key", "use printable ASCII without spaces: it travels in a header")
        guessable = len(set(value)) < MIN_DIFFERENT or value.lower().startswith(PLACEHOLDERS)
        if len(value) < MIN_KEY or guessable:
            raise PydanticCustomError(
                "operator_key",
                "this key is too short or guessable; give at least {least} random characters, "
                'such as from `python -c "import secrets; print(secrets.token_urlsafe(32))"`',
                {"least": MIN_KEY},
            )
        return key
