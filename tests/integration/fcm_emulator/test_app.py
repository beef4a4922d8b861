"""The routes over HTTP/2 and TLS: sends, the script, the record."""

import asyncio

import httpx
import pytest

from services.fcm_emulator import RunningEmulator
from tests.integration.fcm_emulator.sends import send


async def test_a_message_is_accepted_over_http2_and_seen_as_it_came(
    emulator: RunningEmulator, http: httpx.AsyncClient
) -> None:
    """The name is FCM's form; the body kept is the body sent."""
    answer = await send(http, "t:1")
    assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
    assert answer.json()["name"].startswith("projects/demo/messages/")
    (seen,) = await emulator.messages("t:1")
    assert seen["body"]["message"]["notification"] == {"title": "종", "body": "🔔"}
    assert (seen["project"], seen["answer"], seen["bearer"]) == ("demo", "ACCEPTED", "Bearer any")


async def test_the_record_tells_the_fate_of_every_token(emulator: RunningEmulator, http: httpx.AsyncClient) -> None:
    """Accepted, dead and refused, by token; a repeat is a duplicate, another campaign's message is not."""
    await emulator.follow({"seed": 3, "shares": {"UNREGISTERED": 0.3, "UNAVAILABLE": 0.3}})
    tokens = [f"t:{number}" for number in range(100)]
    answers = await asyncio.gather(*(send(http, token, tag="one") for token in tokens))
    by_status = {status: {t for t, a in zip(tokens, answers, strict=True) if a.status_code == status} for status in
                 (200, 404, 503)}  # fmt: skip
    groups = [group async for group in emulator.record(label="one")]
    assert {token for group in groups if group.accepted for token in group.tokens} == by_status[200]
    assert {token for group in groups if "UNREGISTERED" in group.answers for token in group.tokens} == by_status[404]
    assert {token for group in groups if "UNAVAILABLE" in group.answers for token in group.tokens} == by_status[503]

    await emulator.follow({"shares": {}})
    accepted = next(iter(by_status[200]))
    await send(http, accepted, tag="one")
    await send(http, accepted, tag="two")
    assert (await emulator.summary(label="one"))["duplicates"] == 1
    assert (await emulator.summary(label="two"))["duplicates"] == 0
    assert {entry["label"]: entry["accepted"] for entry in await emulator.history(accepted)} == {"one": 2, "two": 1}
    assert sum(accepted for _, _, accepted in await emulator.rate()) == len(by_status[200]) + 2

    await emulator.forget()
    assert (await emulator.summary())["requests"] == 0
    assert await emulator.history(accepted) == []


async def test_a_send_without_bearer_is_a_401(emulator: RunningEmulator, http: httpx.AsyncClient) -> None:
    """With the body and the header of Google's front end."""
    del http.headers["authorization"]
    answer = await send(http, "t")
    assert answer.status_code == 401
    assert answer.json()["error"]["status"] == "UNAUTHENTICATED"
    assert answer.json()["error"]["details"][0]["reason"] == "CREDENTIALS_MISSING"
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_script_can_reach_one_project_only(emulator: RunningEmulator, http: httpx.AsyncClient) -> None:
    """The others go on as before; a script for all ends it."""
    await emulator.follow({"shares": {"PERMISSION_DENIED": 1}}, project="other")
    assert (await send(http, "t")).status_code == 200
    other = "/v1/projects/other/messages:send"
    assert (await http.post(other, json={"message": {"token": "t"}})).status_code == 403
    await emulator.follow({"shares": {}})
    assert (await http.post(other, json={"message": {"fid": "f"}})).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/emulator/script", b'{"shares": {"NONE": 1}}', 400),
        ("PUT", "/emulator/script", b"{", 400),
        ("GET", "/emulator/nothing", b"", 404),
        ("GET", "/v1/projects/demo/messages:send", b"", 404),
        ("POST", "/batch", b"", 404),
        ("GET", "/v1/projects/demo/registrations/f/topicSubscriptions", b"", 501),
        ("DELETE", "/v1/projects/demo/registrations/f/topicSubscriptions/news", b"", 501),
        ("HEAD", "/v1/projects/demo/messages:send", b"", 404),
        ("HEAD", "/emulator/nothing", b"", 404),
    ],
)
async def test_a_wrong_request_is_answered_and_harms_nothing(
    http: httpx.AsyncClient, method: str, path: str, body: bytes, status: int
) -> None:
    """Bad scripts, unknown routes, wrong methods."""
    assert (await http.request(method, path, content=body)).status_code == status
    assert (await send(http, "t")).status_code == 200


async def test_tokens_that_fared_alike_come_back_in_one_line(
    emulator: RunningEmulator, http: httpx.AsyncClient
) -> None:
    """The client reads groups, not devices."""
    await asyncio.gather(*(send(http, f"t:{number}") for number in range(50)))
    groups = [group async for group in emulator.record()]
    assert [(group.accepted, len(group.tokens)) for group in groups] == [(1, 50)]


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
async def test_curl_asks_for_heads_and_goes_on(emulator: RunningEmulator, version: str) -> None:
    """Two on one connection, and a body after them."""
    common = ("--silent", "--show-error", "--fail", version, "--cacert", str(emulator.ca_file), "--noproxy", "*")
    told = ("--max-time", "10", "--write-out", "\n%{num_connects}\n")
    summary, record, script = (f"{emulator.url}/emulator/{path}" for path in ("summary", "record", "script"))
    curl = await asyncio.create_subprocess_exec(
        *("curl", *common, *told, "--head", summary),
        *("--next", *common, *told, "--head", record),
        *("--next", *common, *told, script),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await curl.communicate()
    assert (curl.returncode, err) == (0, b"")
    lines = out.decode().splitlines()
    assert [line for line in lines if line.isdigit()] == ["1", "0", "0"]
    assert [line.split()[1] for line in lines if line.startswith("HTTP/")] == ["200", "200"]
    assert any(line.startswith('{"all"') for line in lines)
