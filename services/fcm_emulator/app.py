"""The emulator as an application: projects made as they are called, and what is shared between them."""

from __future__ import annotations

import re
from collections import deque
from functools import partial
from time import time
from typing import TYPE_CHECKING

from services.fcm_emulator.answers import HTML, Reply
from services.fcm_emulator.control import Control
from services.fcm_emulator.oauth import TokenEndpoint
from services.fcm_emulator.sending import Project, Sighting

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.fcm_emulator.exchange import Exchange, Handler, Head
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
        # Set by the server, which owns the connections.
        self.on_goaway: Callable[[], None] = lambda: None
        self.on_cut: Callable[[], int] = lambda: 0
        self.on_script: Callable[[], None] = lambda: None
        self._control = Control(self)

    def route(self, head: Head) -> Handler:
        """Find who handles a request."""
        found = _SEND_PATH.fullmatch(head.path)
        if found and head.method == "POST":
            return self.project(found[1]).send
        return partial(self._answer_other, head)

    def project(self, name: str) -> Project:
        """Return a project, made at first sight."""
        if name not in self.projects:
            script = self.scripts.get(name, self.script)
            self.projects[name] = Project(name, script, revoked=self.tokens.revoked, sightings=self.sightings)
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

    def _answer_other(self, head: Head, _authorization: str | None, body: bytes, exchange: Exchange) -> None:
        if head.path == "/token" and head.method == "POST":
            script = self.script
            exchange.answer(
                self.tokens.grant(body, credentials=script.credentials, lifetime=script.token_lifetime, now=time())
            )
        elif head.path.startswith("/emulator/"):
            self._control.handle(head, body, exchange)
        else:
            exchange.answer(_NO_SUCH_PAGE)
