"""Bad days on the wire: silence, broken bodies, cuts, GOAWAY, slowness."""

import asyncio
import ssl

import httpx
import pytest
from hpack import Encoder

from services.fcm_emulator import RunningEmulator, frames
from tests.integration.fcm_emulator.curl import send_all
from tests.integration.fcm_emulator.sends import send
from tests.support.eventually import eventually


async def accepted(emulator: RunningEmulator) -> int:
    """Return how many messages the record calls accepted."""
    return int((await emulator.summary())["accepted"])


async def all_accepted(emulator: RunningEmulator, count: int) -> bool:
    """Tell whether so many were accepted."""
    return await accepted(emulator) == count


@pytest.mark.parametrize(("fault", "delivered"), [("CUT", 1), ("CUT_LOST", 0)])
async def test_a_cut_instead_of_an_answer_leaves_a_client_without_knowledge(
    emulator: RunningEmulator, http: httpx.AsyncClient, fault: str, delivered: int
) -> None:
    """Whether it was delivered stands in the record only; the next send works."""
    await emulator.follow({"shares": {fault: 1}})
    with pytest.raises(httpx.RemoteProtocolError):
        await send(http, "t")
    assert await accepted(emulator) == delivered
    await emulator.follow({"shares": {}})
    assert (await send(http, "t")).status_code == 200


async def test_an_answer_that_breaks_off_was_accepted(emulator: RunningEmulator) -> None:
    """A good status, and a body shorter than announced."""
    await emulator.follow({"shares": {}, "tokens": {"broken": "TRUNCATED"}})
    tokens = ["whole", "broken", "whole"]
    assert await asyncio.to_thread(send_all, emulator.url, emulator.ca_file, tokens) == [200, 0, 200]
    assert await accepted(emulator) == 3


@pytest.mark.parametrize(("fault", "delivered"), [("HANG", 1), ("HANG_LOST", 0)])
async def test_a_hanging_answer_ends_by_the_clients_patience(
    emulator: RunningEmulator, http: httpx.AsyncClient, fault: str, delivered: int
) -> None:
    """Nothing comes; other streams of the connection go on."""
    await emulator.follow({"shares": {fault: 1}}, project="demo")
    with pytest.raises(httpx.ReadTimeout):
        await http.post(
            "/v1/projects/demo/messages:send",
            json={"message": {"token": "t"}},
            timeout=httpx.Timeout(5, read=0.3),
        )
    assert await accepted(emulator) == delivered


async def test_a_cut_connection_loses_every_answer_in_flight(
    emulator: RunningEmulator, http: httpx.AsyncClient
) -> None:
    """All were accepted, none is answered."""
    await emulator.follow({"shares": {}, "latency": "fixed:5000ms"})
    sends = [asyncio.create_task(send(http, f"t:{number}")) for number in range(20)]
    await eventually(lambda: all_accepted(emulator, 20))
    await emulator.cut()
    results = await asyncio.gather(*sends, return_exceptions=True)
    assert all(isinstance(result, httpx.TransportError) for result in results)


async def test_goaway_lets_answers_in_flight_come(emulator: RunningEmulator) -> None:
    """The streams that were open are answered, a new connection takes the next."""
    await emulator.follow({"shares": {}, "latency": "fixed:400ms"})
    tokens = [f"t:{number}" for number in range(50)]
    sending = asyncio.create_task(asyncio.to_thread(send_all, emulator.url, emulator.ca_file, tokens))
    await eventually(lambda: all_accepted(emulator, 50))
    await emulator.goaway()
    assert await sending == [200] * 50
    assert await asyncio.to_thread(send_all, emulator.url, emulator.ca_file, ["after"]) == [200]


async def test_a_goaway_storm_spares_those_who_try_again(emulator: RunningEmulator, http: httpx.AsyncClient) -> None:
    """Connections come and go ten times a second, every message gets through."""
    await emulator.follow({"shares": {}, "goaway_every": 0.1})

    async def persist(token: str) -> bool:
        async def once() -> bool:
            try:
                return (await send(http, token)).status_code == 200
            except httpx.TransportError:
                return False

        return await eventually(once)

    for number in range(60):
        assert await persist(f"t:{number}")
    await emulator.follow({"shares": {}})
    assert (await emulator.summary())["tokens_accepted"] == 60


async def test_a_stream_too_many_ends_the_connection_where_the_script_says_so(
    emulator: RunningEmulator, http: httpx.AsyncClient
) -> None:
    """As FCM was seen to do; what was in flight is sent and has no answer, and another connection works."""
    await emulator.follow({"shares": {}, "latency": "fixed:5000ms", "goaway_on_surplus": True})
    encoder, body = Encoder(), b'{"message":{"token":"t"}}'
    head = [(":method", "POST"), (":scheme", "https"), (":authority", "fcm")]
    head += [(":path", "/v1/projects/demo/messages:send"), ("authorization", "Bearer x")]
    said = [frames.PREFACE, frames.settings({})]
    for number in range(1, 2 * 101, 2):
        block = encoder.encode(head)
        said += frames.header_frames(number, block, most=frames.SMALLEST_FRAME_SIZE)
        said.append(frames.frame(frames.DATA, frames.END_STREAM, number, body))
    context = ssl.create_default_context(cafile=emulator.ca_file)
    context.set_alpn_protocols(["h2"])
    url = httpx.URL(emulator.url)
    reader, writer = await asyncio.open_connection(url.host, url.port, ssl=context)
    writer.write(b"".join(said))
    answer = await reader.read()
    writer.close()
    assert b"exceeded_max_concurrent_streams" in answer
    assert await accepted(emulator) == 100
    await emulator.follow({"shares": {}})
    assert (await send(http, "t")).status_code == 200


async def test_slow_answers_are_slow_and_come(emulator: RunningEmulator, http: httpx.AsyncClient) -> None:
    """The latency asked for is the latency seen."""
    await emulator.follow({"shares": {}, "latency": "fixed:200ms"})
    answer = await send(http, "t")
    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() >= 0.2


async def test_an_outage_ends_by_itself(emulator: RunningEmulator, http: httpx.AsyncClient) -> None:
    """A window of 503, then all is well."""
    await emulator.follow({"shares": {}, "windows": [{"starts": 0, "lasts": 0.3, "shares": {"UNAVAILABLE": 1}}]})
    assert (await send(http, "t")).status_code == 503

    async def well() -> bool:
        return (await send(http, "t")).status_code == 200

    await eventually(well)
