"""The OAuth2 token endpoint: a signed assertion in, an access token out, as google-auth asks for it.

The signature is not verified: any bearer may send anyway. What is checked is the form, so that a client which builds
its grant wrongly learns it here.
"""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs

from services.fcm_emulator.answers import JSON, Reply
from services.fcm_emulator.script import Credentials

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class TokenEndpoint:
    """Issues access tokens, counts them and remembers which were revoked (`authorization` header values)."""

    def __init__(self) -> None:
        self._issued: set[str] = set()
        self.granted = 0
        self.revoked: set[str] = set()

    def grant(self, form: bytes, *, credentials: Credentials, lifetime: int, now: float) -> Reply:
        """Answer a token request."""
        if credentials is Credentials.UNAVAILABLE:
            return _reply(503, {"error": "internal_failure", "error_description": "Backend Error"})
        fields = parse_qs(form.decode("utf-8", "replace"))
        if fields.get("grant_type") != [GRANT]:
            return _reply(400, {"error": "unsupported_grant_type", "error_description": f"Want {GRANT}."})
        if problem := _problem(fields.get("assertion", [""])[0], now):
            return _reply(400, {"error": "invalid_grant", "error_description": problem})
        if credentials is Credentials.REFUSED:
            return _reply(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
        self.granted += 1
        token = f"ya29.emulator-{int(now)}-{self.granted}"
        self._issued.add(f"Bearer {token}")
        return _reply(200, {"access_token": token, "expires_in": lifetime, "token_type": "Bearer"})

    def revoke(self) -> int:
        """Make every access token issued so far stale; return how many."""
        self.revoked |= self._issued
        self._issued = set()
        return len(self.revoked)


def _problem(assertion: str, now: float) -> str | None:
    """Return what is wrong with the assertion's claims, None when nothing is."""
    try:
        claims = json.loads(base64.urlsafe_b64decode(assertion.split(".")[1] + "=="))
        expires = float(claims["exp"])
        scopes = str(claims["scope"]).split()
        issuer = claims["iss"]
    except (ValueError, LookupError, TypeError):
        return "Invalid JWT: want header.claims.signature with iss, scope, aud, iat and exp."
    if not issuer or not any(scope.endswith(("/firebase.messaging", "/cloud-platform")) for scope in scopes):
        return "Invalid JWT: no issuer, or no scope firebase.messaging."
    if expires < now:
        return "Invalid JWT: Token must be a short-lived token and in a reasonable timeframe."
    return None


def _reply(status: int, body: dict[str, Any]) -> Reply:
    return Reply(status, JSON, json.dumps(body).encode())
