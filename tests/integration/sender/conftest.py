"""An FCM emulator in this process, with its papers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from services.fcm_emulator.app import Emulator
from services.fcm_emulator.identity import Certificate, make_certificate
from services.fcm_emulator.script import Script
from services.fcm_emulator.server import Server
from services.sender.gateways import Route
from services.sender.gateways.connection_pool import PoolOptions
from services.sender.gateways.fcm import FcmGateway, FcmOptions
from services.sender.gateways.transfer import TransferOptions
from tests.integration.sender.stage import MakeStage, Stage

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


@pytest.fixture
async def make_stage(start_emulator: StartEmulator, certificate: Certificate) -> AsyncIterator[MakeStage]:
    """Make a stage from a script and a few limits; the gateway is closed after the test."""
    async with AsyncExitStack() as stack:

        async def make(
            script: Script, *, patience: float = 10.0, max_in_flight: int = 200, url: str = "", **limits: float
        ) -> Stage:
            emulator, server = await start_emulator(script)
            gateway = FcmGateway(
                FcmOptions(
                    max_in_flight=max_in_flight,
                    pool=PoolOptions(connections=4),
                    transfer=TransferOptions(timeout=patience, connect_timeout=2.0, ca_file=certificate.ca_file),
                    **limits,
                )
            )
            stack.push_async_callback(gateway.close, 0.1)
            route = Route("p", f"{url or server.url}/v1/projects/p/messages:send", ("authorization: Bearer made-up",))
            return Stage(gateway, route, emulator)

        yield make
