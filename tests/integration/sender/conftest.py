"""An FCM emulator in this process, with its papers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from services.fcm_emulator.app import Emulator
from services.fcm_emulator.identity import Certificate, make_certificate
from services.fcm_emulator.script import Script
from services.fcm_emulator.server import Server

StartEmulator = Callable[[Script], Awaitable[tuple[Emulator, Server]]]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """The emulator's certificate and the CA to trust for it."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
async def start_emulator(certificate: Certificate) -> AsyncIterator[StartEmulator]:
    """Start an emulator that plays a script; it stops after the test."""
    async with AsyncExitStack() as stack:

        async def start(script: Script) -> tuple[Emulator, Server]:
            emulator = Emulator(script)
            return emulator, await stack.enter_async_context(Server(emulator, certificate))

        yield start


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for credentials files."""
    return tmp_path
