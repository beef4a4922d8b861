"""What is kept of an error's text."""

import json

import pytest

from services.sender.error_body import read_body


@pytest.mark.parametrize(
    "token",
    [
        "dQw4w9WgXcQ9dGhpc2lzYTIy",
        "fGhpcyBpc:APA91bHun4MxP5egoKMwt2KZFBaFUH-1RYqx_" + "x" * 100,
        "a3f1c9e27b604d58a3f1c9e27b604d58",
    ],
)
def test_whatever_looks_like_a_token_is_hidden(token: str) -> None:
    """An answer may quote its request; the ledger and the logs must not."""
    body = json.dumps({"error": {"message": f"token {token} is bad"}}).encode()
    for raw in (body, body[:-4], f"<p>token {token} is bad</p>".encode()):
        message = read_body(raw).message
        assert token not in message
        assert "[hidden]" in message


def test_googles_own_long_words_stay_readable() -> None:
    """Names of quotas and codes are what the operator needs."""
    text = "Quota exceeded for SendsPerMinutePerProject: THIRD_PARTY_AUTH_ERROR"
    assert read_body(json.dumps({"error": {"message": text}}).encode()).message == text


def test_a_page_is_reduced_to_its_words() -> None:
    """Markup, scripts and control characters are no use in a table."""
    page = b"<html><style>p{}</style><h1>502\0 Bad\r\nGateway</h1><script>x='<p>'</script>\xff</html>"
    body = read_body(page)
    assert body.message == "502 Bad Gateway �"
    assert body.foreign


@pytest.mark.parametrize("raw", [b"[]", b'{"error": 7}', b'{"error": {"details": [3, {"@type": []}]}}', b'"x"', b""])
def test_json_of_another_form_has_no_codes(raw: bytes) -> None:
    """Absent parts are empty, never an exception."""
    body = read_body(raw)
    assert (body.fcm_code, body.reason, body.retry_delay) == ("", "", "")


def test_a_code_must_look_like_a_code() -> None:
    """Codes are counted in the ledger: text in their place would be a row each."""
    detail = {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "a b\0"}
    assert read_body(json.dumps({"error": {"details": [detail]}}).encode()).fcm_code == ""
