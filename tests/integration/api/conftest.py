"""A running API and a client of it."""

import asyncio
from collections.abc import AsyncGenerator

import httpx
import pytest
from pydantic import SecretStr

from deploy.local.ports import LOOPBACK, free_port
from services.api.app import api
from services.api.settings import ApiSettings
from shared.db import Database

KEY = "kT3-mVq9_xLw0ZbRe5"
PATIENCE = 30.0
"""Seconds for an answer: what a test wants to know is whether, not how soon; httpx's own 5 s end on a busy machine."""


@pytest.fixture
def settings(database_url: str, amqp_url: str) -> ApiSettings:
    """Settings of an API on the test's own servers."""
    return ApiSettings(
        database_url=SecretStr(database_url),
        amqp_url=SecretStr(amqp_url),
        operator_key=SecretStr(KEY),
        http_host=LOOPBACK,
        http_port=free_port(),
        start_timeout=10,
        drain_timeout=5,
    )


@pytest.fixture
async def client(settings: ApiSettings) -> AsyncGenerator[httpx.AsyncClient]:
    """A client with the operator key; the API runs as long as it."""
    headers = {"Authorization": f"Bearer {KEY}"}
    async with api(settings) as loops:
        tasks = [asyncio.create_task(loop, name=name) for name, loop in loops.items()]
        url = f"http://{settings.http_host}:{settings.http_port}"
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=PATIENCE) as client:
            yield client
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    """The test's own look at the ledger."""
    database = Database(database_url, name="test", pool=2)
    yield database
    await database.close()
