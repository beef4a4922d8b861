"""One running system for this tree, as `./run up` has it, with short times: what waits minutes there waits seconds."""

import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Iterator

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import httpx
import pytest
import pytest_asyncio

from deploy.local.errors import NoBrokerError
from deploy.local.options import StackOptions
from deploy.local.rabbitmq import package_script
from deploy.local.stack import Stack
from services.fcm_emulator.client import EmulatorClient
from tests.flow.system import System
from tests.support.servers import vhost_on
from tests.support.shared_broker import named_broker
from tests.support.versions import RAN_ON, versions

TIMES = {
    "CARILLON_LEDGER_LEASE": "8",
    "CARILLON_LEDGER_MARGIN": "3",
    "CARILLON_LEDGER_QUEUED": "3",
    "CARILLON_LEDGER_RETRY": "3",
    "CARILLON_LEDGER_REPORT": "3",
    "CARILLON_LEDGER_STEP": "3",
    "CARILLON_LEDGER_PUBLISH": "2",
    "CARILLON_LEDGER_PROBE": "1",
    "CARILLON_TICK": "0.5",
    "CARILLON_REPAIR_EVERY": "1",
    "CARILLON_REPAIR_LEADERLESS": "3",
    "CARILLON_DRAIN_TIMEOUT": "15",
    "CARILLON_BATCHES": "4",  # so that some of a small campaign still lie in their queue
}

ALWAYS_ACCEPTED: dict[str, object] = {"shares": {}}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(request: pytest.FixtureRequest) -> AsyncIterator[Stack]:
    """Everything as processes. Without a RabbitMQ a desk skips what needs it, and CI fails."""
    # PostgreSQL writes to disk here: what a kill leaves behind must be what it promised.
    options = StackOptions(name="flow", environment=TIMES)
    with contextlib.ExitStack() as ends:
        environment = ends.enter_context(pytest.MonkeyPatch.context())
        if (foreign := named_broker(os.environ)) is not None:
            environment.setenv("CARILLON_AMQP_URL", ends.enter_context(vhost_on(foreign, "flow")))
        elif package_script() is not None:
            # A node of the package can be killed and started again on its data; a container goes with its own.
            environment.setenv("CARILLON_BROKER", "package")
        starting = Stack(options)
        try:
            running = await starting.__aenter__()
        except NoBrokerError as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(str(error))
        request.config.stash[RAN_ON].add(await versions(running.amqp_url, running.database_url))
        failed = request.session.testsfailed
        yield running
        # An error keeps the folder: its logs and its ledger are needed to find the cause.
        failure = AssertionError("a test failed") if request.session.testsfailed > failed else None
        await running.__aexit__(type(failure) if failure else None, failure, None)


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    """Count what must not be alike in two tests."""
    return itertools.count(1)


@pytest.fixture
async def system(stack: Stack, numbers: Iterator[int]) -> AsyncIterator[System]:
    """Give the running system; FCM accepts whatever comes until the test says otherwise."""
    async with (
        httpx.AsyncClient(
            base_url=stack.api_url,
            headers={"Authorization": f"Bearer {stack.operator_key}"},
            trust_env=False,
            timeout=30,
        ) as api,
        EmulatorClient(stack.emulator.url, stack.emulator.ca_file) as fcm,
    ):
        ledger = await asyncpg.connect(stack.database_url)
        try:
            await fcm.follow(ALWAYS_ACCEPTED)
            await fcm.forget()
            system = System(stack, api, fcm, ledger, numbers)
            yield system
            await system.heal()
            assert await system.dead_letters() == 0, "every test that makes dead letters takes them out again"
        finally:
            await ledger.close()
