"""`python -m services.api` as a process: ready, drained, refused."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process

import httpx
import pytest

from deploy.local.ports import LOOPBACK, free_port
from services.api.settings import ApiSettings
from tests.integration.api.conftest import KEY
from tests.support.eventually import eventually


async def start(environment: dict[str, str]) -> Process:
    """Start the API with only these settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CARILLON_")}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.api", env={**inherited, **environment}, stdout=PIPE, stderr=PIPE
    )


async def end(process: Process) -> tuple[int | None, str]:
    """Wait for the end: exit code and standard error."""
    _, said = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, said.decode()


@pytest.fixture
def environment(settings: ApiSettings) -> dict[str, str]:
    """The environment of an API on the test's own servers."""
    return {
        "CARILLON_DATABASE_URL": settings.database_url.get_secret_value(),
        "CARILLON_AMQP_URL": settings.amqp_url.get_secret_value(),
        "CARILLON_OPERATOR_KEY": KEY,
        "CARILLON_HTTP_HOST": settings.http_host,
        "CARILLON_HTTP_PORT": str(settings.http_port),
        "CARILLON_START_TIMEOUT": "2",
    }


async def test_the_process_becomes_ready_and_drains_on_sigterm(environment: dict[str, str]) -> None:
    """Its exit code is 0."""
    process = await start(environment)
    url = f"http://{LOOPBACK}:{environment['CARILLON_HTTP_PORT']}"

    async def ready() -> bool:
        try:
            return (await client.get(f"{url}/health/ready")).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    async with httpx.AsyncClient(trust_env=False) as client:
        await eventually(ready, within=20)
    process.send_signal(signal.SIGTERM)
    code, said = await end(process)
    assert code == 0, said
    assert '"clean": true' in said


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"CARILLON_OPERATOR_KEY": "short"}, "CARILLON_OPERATOR_KEY"),
        ({"CARILLON_AMQP_URL": f"amqp://{LOOPBACK}:{{port}}/"}, "RabbitMQ did not accept a connection"),
        ({"CARILLON_DATABASE_URL": f"postgresql://nobody@{LOOPBACK}:{{port}}/none"}, "PostgreSQL at 127.0.0.1"),
        ({"CARILLON_HTTP_HOST": "203.0.113.1"}, "listen on 203.0.113.1"),
    ],
)
async def test_what_is_wrong_at_the_start_is_said_in_a_sentence(
    environment: dict[str, str], change: dict[str, str], sentence: str
) -> None:
    """After a bounded time, with exit code 1."""
    nobody = free_port()
    changed = {name: value.format(port=nobody) for name, value in change.items()}
    code, said = await end(await start({**environment, **changed}))
    assert code == 1
    assert sentence in said.splitlines()[-1]
