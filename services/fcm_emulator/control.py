"""The control routes: the script in, the record out.

GET    /emulator/script              the scripts in force           PUT the same, or ?project=p for one project
GET    /emulator/summary             totals                         ?project=p&label=l narrows; so for the next two
GET    /emulator/record              NDJSON, tokens grouped by what they got
GET    /emulator/rate                [[tenth of a second, requests, accepted], …]
GET    /emulator/record/{token}      one token's history, by project and label
DELETE /emulator/record              forget all
GET    /emulator/messages?token=t    the newest messages, oldest first
POST   /emulator/goaway              GOAWAY on every connection, answers in flight still come
POST   /emulator/cut                 cut every connection, answers in flight are lost
POST   /emulator/revoke              make the access tokens issued so far stale
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from pydantic import ValidationError

from services.fcm_emulator.answers import JSON, Answer, Reply
from services.fcm_emulator.record import Record, delivered, rate, summary
from services.fcm_emulator.script import Script, explain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from services.fcm_emulator.exchange import Exchange, Head
    from services.fcm_emulator.state import EmulatorState

_NDJSON = [("content-type", "application/x-ndjson")]
_AFTER_THIS_ANSWER = 0.05
_TOKEN_PATH = "/emulator/record/"  # noqa: S105 - a path


class Control:
    """Handles `/emulator/…`."""

    def __init__(self, state: EmulatorState) -> None:
        self._state = state
        self._plain: dict[tuple[str, str], Callable[[dict[str, str]], Any]] = {
            ("GET", "/emulator/script"): self._scripts,
            ("GET", "/emulator/summary"): self._summary,
            ("GET", "/emulator/rate"): self._rate,
            ("GET", "/emulator/messages"): self._messages,
            ("DELETE", "/emulator/record"): self._forget,
            ("POST", "/emulator/goaway"): self._goaway,
            ("POST", "/emulator/cut"): self._cut,
            ("POST", "/emulator/revoke"): self._revoke,
        }

    def handle(self, head: Head, body: bytes, exchange: Exchange) -> None:
        """Answer one control request."""
        query = {name: values[-1] for name, values in parse_qs(head.query).items()}
        # The protocols leave out the body of what HEAD asks for.
        match ("GET" if head.method == "HEAD" else head.method), head.path:
            case "GET", "/emulator/record":
                exchange.stream(_NDJSON, self._record(query))
            case "GET", path if path.startswith(_TOKEN_PATH):
                exchange.answer(_found(self._history(unquote(path.removeprefix(_TOKEN_PATH)))))
            case "PUT", "/emulator/script":
                exchange.answer(self._set_script(body, query.get("project")))
            case route if route in self._plain:
                exchange.answer(_found(self._plain[route](query)))
            case method, path:
                exchange.answer(_problem(HTTPStatus.NOT_FOUND, f"no control route {method} {path}; see {__name__}"))

    def _forget(self, _query: dict[str, str]) -> dict[str, Any]:
        self._state.forget()
        return {}

    def _rate(self, query: dict[str, str]) -> list[tuple[int, int, int]]:
        return rate([record for _, _, record in self._chosen(query)])

    def _goaway(self, _query: dict[str, str]) -> dict[str, Any]:
        asyncio.get_running_loop().call_later(_AFTER_THIS_ANSWER, self._state.on_goaway)
        return {}

    def _cut(self, _query: dict[str, str]) -> dict[str, Any]:
        asyncio.get_running_loop().call_later(_AFTER_THIS_ANSWER, self._state.on_cut)
        return {}

    def _revoke(self, _query: dict[str, str]) -> dict[str, Any]:
        return {"revoked": self._state.tokens.revoke()}

    def _chosen(self, query: dict[str, str]) -> list[tuple[str, str, Record]]:
        return [
            (project.name, label, record)
            for project in self._state.projects.values()
            if query.get("project", project.name) == project.name
            for label, record in project.records.items()
            if query.get("label", label) == label
        ]

    def _record(self, query: dict[str, str]) -> Iterator[bytes]:
        for project, label, record in self._chosen(query):
            yield from record.lines(project, label)

    def _summary(self, query: dict[str, str]) -> dict[str, Any]:
        unread: Counter[Answer] = Counter()
        if "label" not in query:
            for project in self._state.projects.values():
                if query.get("project", project.name) == project.name:
                    unread.update(project.refused_unread)
        found = summary([record for _, _, record in self._chosen(query)], unread)
        return {**found, "tokens_granted": self._state.tokens.granted}

    def _history(self, token: str) -> list[dict[str, Any]]:
        key = token.encode("utf-8", "surrogatepass")
        return [
            {"project": project, "label": label, "accepted": delivered(history), "answers": dict(history)}
            for project, label, record in self._chosen({})
            if (history := record.history(key))
        ]

    def _messages(self, query: dict[str, str]) -> list[dict[str, Any]]:
        return [
            {
                "project": project,
                "token": target.decode("utf-8", "surrogatepass"),
                "answer": answer,
                "bearer": bearer,
                "body": json.loads(body),
            }
            for project, target, answer, bearer, body in self._state.sightings
            if query.get("token", "").encode() in {b"", target} and query.get("project", project) == project
        ]

    def _scripts(self, _query: dict[str, str] | None = None) -> dict[str, Any]:
        state = self._state
        return {
            "all": state.script.model_dump(mode="json"),
            "projects": {name: script.model_dump(mode="json") for name, script in state.scripts.items()},
        }

    def _set_script(self, body: bytes, project: str | None) -> Reply:
        try:
            script = Script.model_validate_json(body or b"{}")
        except ValidationError as wrong:
            return _problem(HTTPStatus.BAD_REQUEST, explain(wrong))
        self._state.follow(script, project)
        return _found(self._scripts())


def _found(value: Any) -> Reply:
    return Reply(200, JSON, json.dumps(value).encode() + b"\n")


def _problem(status: HTTPStatus, detail: str) -> Reply:
    problem = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}
    return Reply(status, [("content-type", "application/problem+json")], json.dumps(problem).encode() + b"\n")
