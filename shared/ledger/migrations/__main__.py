"""`python -m shared.ledger.migrations`: bring the database of CARILLON_DATABASE_URL to the newest schema."""

import asyncio
import os
import sys

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.exc import SQLAlchemyError

from shared import database_url
from shared.config import load
from shared.db import Database
from shared.errors import ConfigurationError, DatabaseUnavailableError
from shared.ledger.migrations import upgrade
from shared.values import DatabaseUrl, Seconds
from shared.variables import strangers


class MigrationSettings(BaseSettings):
    """All that a migration needs."""

    model_config = SettingsConfigDict(env_prefix="CARILLON_", extra="ignore", hide_input_in_errors=True)

    database_url: DatabaseUrl = Field(
        description="The ledger, as a user who may change its schema", examples=[database_url.EXAMPLE]
    )
    start_timeout: Seconds = Field(60.0, description="Seconds to wait for PostgreSQL before giving up")


async def wait(url: str, seconds: float) -> None:
    """Wait for PostgreSQL, as the services do."""
    database = Database(url, name="migrations", pool=1)
    try:
        await database.wait(seconds)
    finally:
        await database.close()


if __name__ == "__main__":
    try:
        settings = load(MigrationSettings)
        if (told := strangers(os.environ)) is not None:
            sys.stderr.write(f"{told}\n")
        url = settings.database_url.get_secret_value()
        asyncio.run(wait(url, settings.start_timeout))
        known = upgrade(url)
    except (DatabaseUnavailableError, ConfigurationError) as error:
        sys.exit(str(error))
    except (SQLAlchemyError, OSError) as error:
        sys.exit(f"The schema could not be brought up to date: {error}")
    sys.stdout.write(
        "The schema is up to date.\n" if known else "The schema is a newer version's, and was left as it is.\n"
    )
