"""What libcurl is told of windows, speeds and versions, seen from both ends."""

import asyncio
import ssl
import time
from typing import Any

import pytest

from services.fcm_emulator import answers, frames, sending
from services.fcm_emulator import server as server_module
from services.fcm_emulator.answers import HTML, Reply
from services.fcm_emulator.answers import Answer as Played
from services.fcm_emulator.http2 import Http2
from services.fcm_emulator.identity import Certificate
from services.sender.gateways import ACCEPTED, transfer
from tests.integration.sender.stage import MakeStage, script
from tests.support.eventually import eventually


async def test_a_long_answer_is_whole_and_one_of_fcms_length_comes_at_once(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever libcurl is told of windows and speeds, answers of some kilobytes must not wait for it.

    The first answer is read without, the others with that.
    """
    made = answers.replies
    for length, times, within in ((4_000, 40, 2.0), (100_000, 2, 5.0)):
        page = Reply(502, HTML, b"x" * length)

        def longer(*args: Any, page: Reply = page, **more: Any) -> dict[Played, Reply]:
            return {**made(*args, **more), Played.BAD_GATEWAY: page}

        monkeypatch.setattr(sending, "replies", longer)
        stage = await make_stage(script(BAD_GATEWAY=1.0))
        began = time.monotonic()
        for _ in range(times):
            await stage.send(3)
        assert time.monotonic() - began < within
        assert {len(answer.body) for answer in stage.answers.values()} == {length}


async def test_an_answer_without_end_is_given_up(make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy's page must not fill the memory, whether libcurl looks at its length or not."""
    monkeypatch.setattr(transfer, "MAX_ANSWER", 20_000)
    made = answers.replies
    page = Reply(502, HTML, b"x" * 40_000)
    monkeypatch.setattr(sending, "replies", lambda *args, **more: {**made(*args, **more), Played.BAD_GATEWAY: page})
    stage = await make_stage(script())
    for _ in range(2):
        await stage.send(3)
        stage.emulator.follow(script(BAD_GATEWAY=1.0))
        await stage.send(3)
        for answer in stage.answers.values():
            assert answer.error is not None
            assert len(answer.body) <= 20_000
        stage.emulator.follow(script())


async def test_no_window_is_opened_for_an_answer_once_the_peer_is_known(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be a frame, a TLS record and two calls for each message, and nobody needs 10 MB for 100 bytes."""
    opened = 0
    other = Http2.other

    def counted(self: Http2, kind: int, number: int, flags: int, payload: bytes) -> None:
        nonlocal opened
        opened += kind == frames.WINDOW_UPDATE
        other(self, kind, number, flags, payload)

    monkeypatch.setattr(Http2, "other", counted)
    stage = await make_stage(script())
    await stage.send(1)
    before = opened
    await stage.send(500)
    assert opened - before <= 500 / 10


async def test_a_peer_that_speaks_http1_from_some_time_on_is_followed(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy, perhaps. The first messages fail at once, the others arrive; none waits for a length it was not told."""
    contexts: list[ssl.SSLContext] = []
    made = server_module._context

    def keep(certificate: Certificate) -> ssl.SSLContext:
        contexts.append(made(certificate))
        return contexts[-1]

    monkeypatch.setattr(server_module, "_context", keep)
    stage = await make_stage(script(latency="fixed:100ms"), patience=5.0)
    await stage.send(20)
    contexts[-1].set_alpn_protocols(["http/1.1"])
    for cut_in_flight in (True, False):
        began = time.monotonic()
        sending = asyncio.create_task(stage.send(40))
        if cut_in_flight:  # else it is found closed, and all connections are new
            await eventually(lambda: stage.gateway.in_flight == 40)
        stage.emulator.on_cut()
        assert await sending == 40
        stage.answers.clear()
        assert await stage.send(20) == 20
        stage.answers.clear()
        assert await stage.send(20) == 20
        assert all(answer is ACCEPTED for answer in stage.answers.values())
        assert len(stage.answers) == 20
        assert time.monotonic() - began < 4.0
