"""Every HTTP server that Carillon calls is told its name and version."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import trace

from deploy.dead_letters.__main__ import connect
from deploy.local.client import OperatorClient
from services.fcm_emulator.identity import write_service_account
from services.sender.credentials import Credentials
from services.sender.gateways import Route
from services.sender.gateways.fcm import FcmGateway, FcmOptions
from shared.observability import healthcheck, traces
from shared.topology.management import Management
from shared.version import USER_AGENT, VERSION
from tests.support.http_server import Handler, serving


class Listener:
    """An HTTP server that gives the same answer to all, and keeps what each called itself."""

    def __init__(self) -> None:
        self.url = ""
        self.agents: list[str | None] = []
        self.answer: object = {}


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Listen until the test ends."""
    told = Listener()

    class Remember(Handler):
        def answer(self, _: bytes) -> bytes:
            """Keep who called."""
            told.agents.append(self.headers["User-Agent"])
            return json.dumps(told.answer).encode()

        do_GET = do_PUT = Handler.do_POST  # noqa: N815 - http.server's names

    with serving(Remember) as told.url:
        yield told


def test_the_name_has_the_version() -> None:
    """As HTTP writes a product: a name, a slash, a version."""
    assert f"carillon/{VERSION}" == USER_AGENT


async def test_fcm(listener: Listener) -> None:
    """By the gateway that senders use."""
    gateway = FcmGateway(FcmOptions())
    route = Route("p", f"{listener.url}/v1/projects/p/messages:send", ())
    answers = []
    await gateway.send_batch([b"{}"], route=route, on_answer=lambda _position, answer: answers.append(answer))
    await gateway.close(1.0)
    assert [answer.status for answer in answers] == [200]
    assert listener.agents == [USER_AGENT]


async def test_the_token_endpoint(listener: Listener, tmp_path: Path) -> None:
    """Where access tokens come from."""
    listener.answer = {"access_token": "made-up", "expires_in": 3600, "token_type": "Bearer"}
    write_service_account(tmp_path / "p.json", project="p", token_uri=f"{listener.url}/token")
    credentials = Credentials(tmp_path, fcm_url=listener.url, ca_file=None)
    await credentials.route("p")
    await credentials.close()
    assert listener.agents == [USER_AGENT]


def test_the_management_api(listener: Listener) -> None:
    """Of RabbitMQ, by the topology job."""
    Management(listener.url, user="u", password="p").put_policies("v")
    assert set(listener.agents) == {USER_AGENT}


def test_a_service_of_our_own(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the health check of its container."""
    monkeypatch.setenv("CARILLON_HTTP_PORT", listener.url.rpartition(":")[2])
    assert healthcheck.main("live") == 0
    assert listener.agents == [USER_AGENT]


async def test_the_api(listener: Listener) -> None:
    """By the demo and by `./run dead-letters`."""
    async with OperatorClient(listener.url, "key") as client:
        await client.stats(1)
    with connect(listener.url, "key") as desk:
        desk.get("/v1/dead-letters")
    assert listener.agents == [USER_AGENT] * 2


def test_a_collector_of_traces(listener: Listener) -> None:
    """Which also learns the version of the service that a span is from (`integration/deploy/test_traces.py`)."""
    try:
        flush = traces.configure_traces("api", f"{listener.url}/v1/traces", share=1.0)
        with traces.served("POST", None):
            pass
        flush()
    finally:
        traces.use(trace.NoOpTracer())
    assert listener.agents == [USER_AGENT]
