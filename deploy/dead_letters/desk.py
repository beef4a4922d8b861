"""The calls: a look, a letter whole, a replay, a discard."""

from typing import Any

import httpx

Document = dict[str, Any]

TIMEOUT = 60.0
"""Seconds for a call: the API gives a look at the broker thirty."""


class DeskError(Exception):
    """Raised when the API does not answer or refuses; the text says what to do."""


class Desk:
    """`/v1/dead-letters` over a client that has its address and the key."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def look(self, *, queue: str | None = None, reason: str | None = None, limit: int = 20) -> Document:
        """The groups and the oldest letters of those that match; they stay where they are."""
        wanted = {"queue": queue, "reason": reason, "limit": limit}
        return self._call(
            "GET", "/v1/dead-letters", params={name: value for name, value in wanted.items() if value is not None}
        )

    def read(self, letter_id: str) -> Document:
        """One letter whole."""
        return self._call("GET", httpx.URL("/v1/dead-letters/").join(_segment(letter_id)))

    def settle(self, verb: str, chosen: Document) -> Document:
        """Replay or discard the chosen ones, a thousand a call until all were looked at; returns the sums.

        Stops early when a call has done nothing: what is left stays, and `complete` says that it is not all.
        """
        before = 0
        while True:
            outcome = self._call("POST", f"/v1/dead-letters/{verb}", json=chosen)
            if outcome["complete"] or outcome["dry_run"] or not outcome["done"]:
                # Those that stay are seen again by every call, and counted by the last.
                return {**outcome, "matched": before + outcome["matched"], "done": before + outcome["done"]}
            before += outcome["done"]

    def _call(self, method: str, url: str | httpx.URL, **arguments: Any) -> Document:
        try:
            answer = self._http.request(method, url, **arguments)
        except httpx.TransportError as error:
            raise DeskError(
                f"The API at {self._http.base_url} does not answer: {error}. Set CARILLON_API_URL, or --api, to its "
                "address."
            ) from error
        try:
            document: Document = answer.json()
        except ValueError:
            document = {}
        if not answer.is_success:
            said = document.get("detail") or document.get("title") or answer.reason_phrase
            raise DeskError(f"The API refused with {answer.status_code}: {said}")
        return document


def _segment(letter_id: str) -> str:
    """An id as one segment of a path, whatever a stranger put into it."""
    return "".join(f"%{byte:02X}" if chr(byte) not in _PLAIN else chr(byte) for byte in letter_id.encode())


_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~")
