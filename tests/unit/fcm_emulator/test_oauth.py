"""The token endpoint's grants and refusals."""

import base64
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from services.fcm_emulator.oauth import GRANT, TokenEndpoint
from services.fcm_emulator.script import Credentials

NOW = 1_000_000.0
CLAIMS = {"iss": "a@b", "scope": "https://www.googleapis.com/auth/firebase.messaging", "exp": NOW + 60}


def form(claims: dict[str, Any], grant: str = GRANT) -> bytes:
    """Encode a token request as google-auth does; the signature is anything."""
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return urlencode({"assertion": f"e30.{part}.c2ln", "grant_type": grant}).encode()


def ask(endpoint: TokenEndpoint, body: bytes, credentials: Credentials = Credentials.GRANTED) -> tuple[int, Any]:
    """Return status and body of an answer."""
    reply = endpoint.grant(body, credentials=credentials, lifetime=3599, now=NOW)
    return reply.status, json.loads(reply.body)


def test_a_good_assertion_gets_a_new_token_each_time() -> None:
    """With its lifetime, as a bearer."""
    endpoint = TokenEndpoint()
    status, first = ask(endpoint, form(CLAIMS))
    _, second = ask(endpoint, form(CLAIMS))
    assert (status, first["token_type"], first["expires_in"]) == (200, "Bearer", 3599)
    assert first["access_token"] != second["access_token"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        form(CLAIMS, grant="password"),
        urlencode({"assertion": "nonsense", "grant_type": GRANT}).encode(),
        urlencode({"assertion": "a.!!!.c", "grant_type": GRANT}).encode(),
        form({}),
        form({**CLAIMS, "scope": "email"}),
        form({**CLAIMS, "exp": NOW - 1}),
    ],
)
def test_a_wrong_request_gets_a_400_that_says_what_is_wanted(body: bytes) -> None:
    """Form, scope and expiry are checked; the signature is not."""
    status, answer = ask(TokenEndpoint(), body)
    assert status == 400
    assert answer["error"] in {"invalid_grant", "unsupported_grant_type"}
    assert answer["error_description"]


def test_the_script_can_refuse_credentials_or_be_out_of_order() -> None:
    """Wrong credentials are a 400, an outage is a 503."""
    status, answer = ask(TokenEndpoint(), form(CLAIMS), Credentials.REFUSED)
    assert (status, answer["error"]) == (400, "invalid_grant")
    assert ask(TokenEndpoint(), form(CLAIMS), Credentials.UNAVAILABLE)[0] == 503


def test_revoking_reaches_the_tokens_issued_before_only() -> None:
    """A refreshed token is good again."""
    endpoint = TokenEndpoint()
    old = ask(endpoint, form(CLAIMS))[1]["access_token"]
    assert endpoint.revoke() == 1
    new = ask(endpoint, form(CLAIMS))[1]["access_token"]
    assert endpoint.revoked == {f"Bearer {old}"}
    assert f"Bearer {new}" not in endpoint.revoked
