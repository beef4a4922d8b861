"""Both gateways put the same JSON on the wire: ours, and Google's own client."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from services.fcm_emulator.answers import Answer as Played
from services.fcm_emulator.app import Emulator
from services.fcm_emulator.identity import make_certificate, write_service_account
from services.fcm_emulator.script import Script
from services.fcm_emulator.server import Server
from services.sender.answers import judge
from services.sender.credentials import Credentials
from services.sender.gateways import ACCEPTED, Answer, Gateway, Pace
from services.sender.gateways.fcm import FcmGateway, FcmOptions
from services.sender.gateways.firebase import FirebaseGateway
from services.sender.gateways.transfer import TransferOptions
from services.sender.message import BatchTemplate, Template
from shared.contracts.content import PushContent
from tests.contracts.full_message import FULL

NOW = datetime(2026, 11, 22, tzinfo=UTC)
BARE = PushContent(title="t", body="b", replace=False)


class Rig(NamedTuple):
    """Both gateways at one emulator."""

    emulator: Emulator
    server: Server
    ca_file: Path
    credentials: Credentials
    gateways: dict[str, Gateway]

    async def send(self, name: str, template: BatchTemplate, targets: list[tuple[str, str]]) -> dict[int, Answer]:
        """Send through one gateway; its answers by position."""
        answers: dict[int, Answer] = {}
        started = await self.gateways[name].send_batch(
            template.bodies(targets), route=await self.credentials.route("acme"), on_answer=answers.__setitem__
        )
        assert started == len(targets)
        return answers

    async def received(self, token: str) -> list[Any]:
        """The bodies that the emulator got for a token."""
        async with httpx.AsyncClient(verify=_trust(self.ca_file)) as client:
            answer = await client.get(f"{self.server.url}/emulator/messages", params={"token": token})
        return [message["body"] for message in answer.json()]


def _trust(ca_file: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca_file))


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """Start the emulator without faults, and both gateways with one service account."""
    papers = make_certificate(tmp_path / "papers")
    emulator = Emulator(Script(shares={}))
    async with Server(emulator, papers) as server:
        account = tmp_path / "acme.json"
        write_service_account(account, project="acme", token_uri=f"{server.url}/token")
        credentials = Credentials(tmp_path, fcm_url=server.url, ca_file=papers.ca_file)
        ours = FcmGateway(FcmOptions(transfer=TransferOptions(ca_file=papers.ca_file)))
        oracle = FirebaseGateway(account, ca_file=papers.ca_file)
        yield Rig(emulator, server, papers.ca_file, credentials, {"fcm": ours, "firebase": oracle})
        await asyncio.gather(ours.close(1.0), oracle.close(1.0), credentials.close())


@pytest.mark.parametrize("content", [FULL, BARE], ids=["full", "bare"])
@pytest.mark.parametrize("kind", ["token", "fid"])
async def test_both_gateways_send_the_same_json(rig: Rig, content: PushContent, kind: str) -> None:
    """Title, body, data, Korean text and emoji, Android, APNs, web push, lifetimes: field by field the same."""
    template = Template(content, 7).for_batch(now=NOW, deadline=NOW + timedelta(seconds=90))
    for name in ("fcm", "firebase"):
        assert await rig.send(name, template, [(kind, "one")]) == {0: ACCEPTED}
    ours, oracles = await rig.received("one")
    oracles.pop("validate_only", None)
    assert ours == oracles


@pytest.mark.parametrize(
    "played",
    [
        Played.UNREGISTERED,
        Played.SENDER_ID_MISMATCH,
        Played.INVALID_ARGUMENT,
        Played.THIRD_PARTY_AUTH_ERROR,
        Played.PERMISSION_DENIED,
        Played.NOT_FOUND,
        Played.QUOTA_EXCEEDED,
        Played.RATE_LIMIT_EXCEEDED,
        Played.INTERNAL,
        Played.UNAVAILABLE,
        Played.BAD_GATEWAY,
    ],
)
async def test_both_gateways_bring_back_the_same_answer(rig: Rig, played: Played) -> None:
    """Each of FCM's refusals leads to one verdict, whichever gateway received it."""
    rig.emulator.follow(Script(shares={played: 1.0}, retry_after=9))
    template = Template(BARE, 7).for_batch(now=NOW, deadline=None)
    verdicts = [
        judge((await rig.send(name, template, [("token", "x")]))[0], payload_proven=True) for name in rig.gateways
    ]
    assert verdicts[0] == verdicts[1]
    assert verdicts[0].letter != "A"


async def test_the_oracle_stops_when_told(rig: Rig) -> None:
    """It serves the same interface, pacing aside."""
    template = Template(BARE, 7).for_batch(now=NOW, deadline=None)
    started = await rig.gateways["firebase"].send_batch(
        template.bodies([("token", "x")] * 5),
        route=await rig.credentials.route("acme"),
        on_answer=lambda *_: None,
        pace=Pace(keep_going=lambda: False),
    )
    assert started == 0
