"""The emulator as an application: which of its routes handles a request."""

from __future__ import annotations

import re
from functools import partial
from time import time
from typing import TYPE_CHECKING

from services.fcm_emulator.answers import HTML, NO_TOPICS, Reply
from services.fcm_emulator.control import Control
from services.fcm_emulator.state import EmulatorState

if TYPE_CHECKING:
    from services.fcm_emulator.exchange import Exchange, Handler, Head
    from services.fcm_emulator.script import Script

_SEND_PATH = re.compile(r"/v1/projects/([^/]+)/messages:send")
_TOPICS_PATH = re.compile(r"/v1/projects/[^/]+/registrations/[^/]+/topicSubscriptions(/[^/]+)?")
_NO_SUCH_PAGE = Reply(404, HTML, b"<!DOCTYPE html>\n<html lang=en>\n<title>Error 404 (Not Found)</title>\n")


class Emulator(EmulatorState):
    """FCM's send route, Google's token route and the control routes, over one state."""

    def __init__(self, script: Script, *, keep_messages: int = 1000) -> None:
        super().__init__(script, keep_messages=keep_messages)
        self._control = Control(self)

    def route(self, head: Head) -> Handler:
        """Find who handles a request."""
        found = _SEND_PATH.fullmatch(head.path)
        if found and head.method == "POST":
            return self.project(found[1]).send
        return partial(self._answer_other, head)

    def _answer_other(self, head: Head, _authorization: str | None, body: bytes, exchange: Exchange) -> None:
        if head.path == "/token" and head.method == "POST":
            script = self.script
            exchange.answer(
                self.tokens.grant(body, credentials=script.credentials, lifetime=script.token_lifetime, now=time())
            )
        elif head.path.startswith("/emulator/"):
            self._control.handle(head, body, exchange)
        elif _TOPICS_PATH.fullmatch(head.path):
            exchange.answer(NO_TOPICS)
        else:
            exchange.answer(_NO_SUCH_PAGE)
