"""The client that everybody uses must not notice."""

import asyncio
import json
import os
import sys

from services.fcm_emulator import RunningEmulator

# What firebase-admin calls each answer.
ERRORS = {
    "UNREGISTERED": "UnregisteredError",
    "SENDER_ID_MISMATCH": "SenderIdMismatchError",
    "INVALID_ARGUMENT": "InvalidArgumentError",
    "THIRD_PARTY_AUTH_ERROR": "ThirdPartyAuthError",
    "PERMISSION_DENIED": "PermissionDeniedError",
    "NOT_FOUND": "NotFoundError",
    "QUOTA_EXCEEDED": "QuotaExceededError",
    "RATE_LIMIT_EXCEEDED": "ResourceExhaustedError",
}


async def firebase(emulator: RunningEmulator, *fids: str) -> list[str]:
    """Run firebase-admin in a process that trusts the emulator's CA; return message ids and errors."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.fcm_emulator.firebase_client"),
        *(emulator.url, str(emulator.credentials_dir / "demo.json"), *fids),
        env={**os.environ, "SSL_CERT_FILE": str(emulator.ca_file), "REQUESTS_CA_BUNDLE": str(emulator.ca_file)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    found: list[str] = json.loads(out)
    return found


async def test_firebase_admin_gets_a_token_sends_and_understands_every_answer(emulator: RunningEmulator) -> None:
    """Service account, OAuth, HTTP/2, error mapping and dry run, all by the library's own code."""
    await emulator.follow({"shares": {}, "tokens": {answer: answer for answer in ERRORS}})
    sent, *refused, dry = await firebase(emulator, "alive", *ERRORS)
    assert sent.startswith("projects/demo/messages/")
    assert dry.startswith("projects/demo/messages/")
    assert dict(zip(ERRORS, refused, strict=True)) == ERRORS
    (seen,) = await emulator.messages("alive")
    assert seen["bearer"].startswith("Bearer ya29.emulator-")
    assert seen["body"]["message"]["data"] == {"a": "b"}
    # At any 401 firebase-admin refreshes its access token and tries again, twice.
    answers = {"ACCEPTED": 1, **dict.fromkeys(ERRORS, 1), "THIRD_PARTY_AUTH_ERROR": 3}
    assert (await emulator.summary())["by_answer"] == answers


async def test_a_revoked_token_is_refreshed_by_itself(emulator: RunningEmulator) -> None:
    """What was issued before the revocation is stale, the next grant is good."""
    await firebase(emulator, "one")
    (first,) = await emulator.messages("one")
    await emulator.revoke()
    assert (await firebase(emulator, "two"))[0].startswith("projects/demo/messages/")
    (second,) = await emulator.messages("two")
    assert first["bearer"] != second["bearer"]
