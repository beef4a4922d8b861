"""What the servers of a test session say that they are: a failure on one version may be none on another."""

import aio_pika
import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest
from aio_pika.abc import AbstractConnection

RAN_ON = pytest.StashKey[set[str]]()
"""Where a session keeps what its tests ran on, to tell it at the end."""


async def versions(amqp_url: str, postgres_url: str) -> str:
    """Ask both servers for their versions."""
    async with await aio_pika.connect(amqp_url) as connection:
        rabbitmq = rabbitmq_of(connection)
    database = await asyncpg.connect(postgres_url)
    try:
        postgresql = str(await database.fetchval("show server_version")).split()[0]
    finally:
        await database.close()
    return f"RabbitMQ {rabbitmq}, PostgreSQL {postgresql}"


def rabbitmq_of(connection: AbstractConnection) -> str:
    """Return the version that a broker told when the connection was opened, such as 4.3.6."""
    assert connection.transport is not None
    told = connection.transport.connection.server_properties["version"]
    return told.decode() if isinstance(told, bytes) else str(told)


def newer(version: str, than: str) -> bool:
    """Whether a version is this series or one after it: 4.3.6 and 4.10.0 are, of 4.3."""
    series = than.split(".")
    return [int(part) for part in version.split(".")[: len(series)]] >= [int(part) for part in series]
