"""The emulator as an RSGI application: projects made as they are called, and what is shared between them."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from time import time
from typing import TYPE_CHECKING

from services.fcm_emulator.answers import HTML, Reply
from services.fcm_emulator.control import Control
from services.fcm_emulator.oauth import TokenEndpoint
from services.fcm_emulator.sending import Project, Sighting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from granian._granian import RSGIHTTPProtocol
    from granian.rsgi import Scope

    from services.fcm_emulator.script import Script

_SEND_PATH = re.compile(r"/v1/projects/([^/]+)/messages:send")
_NO_SUCH_PAGE = Reply(404, HTML, b"<!DOCTYPE html>\n<html lang=en>\n<title>Error 404 (Not Found)</title>\n")


class Emulator:
    """FCM's send route, Google's token route and the control routes, over one state."""

    def __init__(self, script: Script, *, keep_messages: int = 1000) -> None:
        self.script = script
        self.scripts: dict[str, Script] = {}
        self.projects: dict[str, Project] = {}
        self.tokens = TokenEndpoint()
        self.sightings: deque[Sighting] = deque(maxlen=keep_messages)
        self.closing = asyncio.Event()
        # Set by the server, which owns the connections.
        self.on_goaway: Callable[[], None] = lambda: None
        self.on_cut: Callable[[], int] = lambda: 0
        self.on_script: Callable[[], None] = lambda: None
        self._sends: dict[str, Callable[[Scope, RSGIHTTPProtocol], Awaitable[None]]] = {}
        self._control = Control(self)

    def __rsgi__(self, scope: Scope, proto: RSGIHTTPProtocol) -> Awaitable[None]:
        """Return the coroutine that answers: one dictionary look-up away for a send."""
        send = self._sends.get(scope.path)
        if send is not None and scope.method == "POST":
            return send(scope, proto)
        return self._others(scope, proto)

    def project(self, name: str) -> Project:
        """Return a project, made at first sight."""
        if name not in self.projects:
            project = Project(
                name,
                self.scripts.get(name, self.script),
                revoked=self.tokens.revoked,
                sightings=self.sightings,
                closing=self.closing,
            )
            self.projects[name] = project
            self._sends[f"/v1/projects/{name}/messages:send"] = project.send
        return self.projects[name]

    def follow(self, script: Script, project: str | None = None) -> None:
        """Put a script in force now, for one project or for all (which ends the scripts of single ones)."""
        if project is None:
            self.script = script
            self.scripts.clear()
            for known in self.projects.values():
                known.follow(script)
        else:
            self.scripts[project] = script
            self.project(project).follow(script)
        self.on_script()

    def forget(self) -> None:
        """Drop all that was recorded."""
        self.sightings.clear()
        for project in self.projects.values():
            project.forget()

    async def _others(self, scope: Scope, proto: RSGIHTTPProtocol) -> None:
        found = _SEND_PATH.fullmatch(scope.path)
        if found and scope.method == "POST":
            await self.project(found[1]).send(scope, proto)
        elif scope.path == "/token" and scope.method == "POST":
            script = self.script
            form = await proto()
            proto.response_bytes(
                *self.tokens.grant(form, credentials=script.credentials, lifetime=script.token_lifetime, now=time())
            )
        elif scope.path.startswith("/emulator/"):
            await self._control.handle(scope, proto)
        else:
            await proto()
            proto.response_bytes(*_NO_SUCH_PAGE)
