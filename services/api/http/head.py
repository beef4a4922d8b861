"""HEAD: what GET answers, without its body. RFC 9110 asks for it wherever GET is; monitors and balancers send it."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class _AnsweredError(Exception):
    """Raised when a handler's head has left, so that it makes no body: an export is a million lines."""


class Head:
    """Innermost: whatever surrounds it, and the server, see a request and an answer to HEAD."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def head(message: Message) -> None:
            if message["type"] == "http.response.start":
                scope["method"] = "HEAD"
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                raise _AnsweredError

        scope["method"] = "GET"
        try:
            await self._app(scope, receive, head)
        except _AnsweredError:
            pass
        finally:
            scope["method"] = "HEAD"
