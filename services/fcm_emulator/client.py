"""A client of the control routes, for tests, the demo and rehearsals."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from types import TracebackType


class Group(NamedTuple):
    """Tokens that fared alike: accepted so often, with these answers in all."""

    project: str
    label: str
    accepted: int
    answers: dict[str, int]
    tokens: list[str]


# Decodes a million tokens in a fraction of what json.loads and a loop need.
_GROUP = TypeAdapter(Group)
# The record of millions takes its time; nothing else here does.
_TIMEOUT = httpx.Timeout(60.0)


class EmulatorClient:
    """Speaks to one emulator. Errors are httpx's own, with the emulator's sentence in the response."""

    def __init__(self, url: str, ca_file: Path) -> None:
        self.url = url
        self.ca_file = ca_file
        context = ssl.create_default_context(cafile=ca_file)
        self._http = httpx.AsyncClient(base_url=url, verify=context, trust_env=False, timeout=_TIMEOUT)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def follow(self, script: dict[str, Any], *, project: str | None = None) -> None:
        """Put a script in force (`script.Script`'s fields; what is left out has its default)."""
        await self._ask("PUT", "/emulator/script", json=script, params={"project": project} if project else None)

    async def summary(self, *, project: str | None = None, label: str | None = None) -> dict[str, Any]:
        """Return totals: requests, accepted, by_answer, tokens_accepted, duplicates, times, per_second."""
        found: dict[str, Any] = await self._ask("GET", "/emulator/summary", params=_chosen(project, label))
        return found

    async def record(self, *, project: str | None = None, label: str | None = None) -> AsyncIterator[Group]:
        """Yield the whole record, at most 10,000 tokens at a time."""
        async with self._http.stream("GET", "/emulator/record", params=_chosen(project, label)) as answer:
            answer.raise_for_status()
            # A line is a megabyte or two: joined once, at its end.
            pieces: list[bytes] = []
            async for chunk in answer.aiter_raw():
                *ended, rest = chunk.split(b"\n")
                for end in ended:
                    yield _GROUP.validate_json(b"".join((*pieces, end)))
                    pieces.clear()
                pieces.append(rest)

    async def history(self, token: str) -> list[dict[str, Any]]:
        """Return what one token got, by project and label."""
        found: list[dict[str, Any]] = await self._ask("GET", f"/emulator/record/{quote(token, safe='')}")
        return found

    async def messages(self, token: str | None = None) -> list[dict[str, Any]]:
        """Return the newest messages as they came, oldest first: project, token, answer, bearer, body."""
        params = {"token": token} if token else None
        found: list[dict[str, Any]] = await self._ask("GET", "/emulator/messages", params=params)
        return found

    async def rate(self, *, project: str | None = None, label: str | None = None) -> list[tuple[int, int, int]]:
        """Return (tenth of a second since the epoch, requests, accepted)."""
        found = await self._ask("GET", "/emulator/rate", params=_chosen(project, label))
        return [(tenth, requests, accepted) for tenth, requests, accepted in found]

    async def forget(self) -> None:
        """Drop the record."""
        await self._ask("DELETE", "/emulator/record")

    async def goaway(self) -> None:
        """Send GOAWAY on every connection."""
        await self._ask("POST", "/emulator/goaway")

    async def cut(self) -> None:
        """Cut every connection."""
        await self._ask("POST", "/emulator/cut")

    async def revoke(self) -> None:
        """Make the access tokens issued so far stale."""
        await self._ask("POST", "/emulator/revoke")

    async def _ask(self, method: str, path: str, **request: Any) -> Any:
        answer = await self._http.request(method, path, **request)
        if answer.is_error:
            raise httpx.HTTPStatusError(
                f"{method} {path}: {answer.status_code} {answer.text.strip()}", request=answer.request, response=answer
            )
        return answer.json()


def _chosen(project: str | None, label: str | None) -> dict[str, str]:
    return {name: value for name, value in (("project", project), ("label", label)) if value is not None}
