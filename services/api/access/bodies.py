"""A request's body as its Idempotency-Key compares it: whole where it is small, else by its digest."""

import hashlib

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive


class Digested:
    """A `receive` that takes the digest of the body on its way to the handler."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._hash = hashlib.sha256()
        self.whole = False
        """Whether the handler has read it to its end: else there is no telling what was sent."""

    async def __call__(self) -> Message:
        """Give the next piece."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._hash.update(message.get("body", b""))
            self.whole = not message.get("more_body", False)
        return message

    def digest(self) -> bytes:
        """Of what has come so far."""
        return self._hash.digest()


async def digest_of(receive: Receive) -> bytes:
    """Read a body to its end for its digest alone; raises `HTTPException` when the client leaves."""
    digested = Digested(receive)
    while not digested.whole:
        if (await digested())["type"] == "http.disconnect":
            raise HTTPException(400)
    return digested.digest()


async def whole(receive: Receive) -> bytes:
    """The body, which the limit around this keeps small; raises `HTTPException` when the client leaves."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HTTPException(400)
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the whole body once, then whatever the server says."""
    given = False

    async def give() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return give
