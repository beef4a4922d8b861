"""An emulator for each test, and a client that speaks HTTP/2 to it."""

import ssl
from collections.abc import AsyncIterator

import httpx
import pytest

from services.fcm_emulator import RunningEmulator, running_emulator


@pytest.fixture
async def emulator() -> AsyncIterator[RunningEmulator]:
    """Start an emulator that accepts everything until it is told otherwise."""
    async with running_emulator(script={"shares": {}}, projects=["demo"]) as running:
        yield running


@pytest.fixture
async def http(emulator: RunningEmulator) -> AsyncIterator[httpx.AsyncClient]:
    """Give an HTTP/2 client with a bearer, which trusts the emulator's CA."""
    async with httpx.AsyncClient(
        base_url=emulator.url,
        http1=False,
        http2=True,
        verify=ssl.create_default_context(cafile=emulator.ca_file),
        trust_env=False,
        headers={"authorization": "Bearer any"},
        timeout=10,
    ) as client:
        yield client
