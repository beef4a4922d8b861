"""`python -m shared.topology`: declare the topology in the vhost of CARILLON_AMQP_URL."""

import asyncio
import sys

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.amqp.connection import connect
from shared.errors import CarillonError
from shared.topology import EXCHANGES, QUEUES
from shared.topology.declare import declare


class TopologySettings(BaseSettings):
    """All that the bootstrap needs."""

    model_config = SettingsConfigDict(env_prefix="CARILLON_", extra="ignore")

    amqp_url: SecretStr
    start_timeout: float = Field(60.0, gt=0)


async def main() -> None:
    """Connect, declare, say what is there."""
    settings = TopologySettings()
    connection = await connect(settings.amqp_url.get_secret_value(), name="topology", timeout=settings.start_timeout)
    async with connection, connection.channel() as channel:
        await declare(channel)
    sys.stdout.write(f"Declared {len(EXCHANGES)} exchanges and {len(QUEUES)} queues.\n")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except CarillonError as error:
        sys.exit(str(error))
