"""A connection's other side without a socket."""

import asyncio
from typing import Any

from services.fcm_emulator.answers import JSON, Reply
from services.fcm_emulator.exchange import Exchange, Handler, Head


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.writes = 0
        self.closed = False

    def write(self, data: Any) -> None:
        """Take bytes."""
        self.writes += 1
        self.written += data

    def close(self) -> None:
        """Note the end."""
        self.closed = True

    def take(self) -> bytes:
        """Return what was written since."""
        taken = bytes(self.written)
        self.written.clear()
        return taken


class Application:
    """Echoes a body, or does what the path says: keeps the exchange, or streams the body in pieces."""

    def __init__(self) -> None:
        self.heads: list[Head] = []
        self.bodies: list[bytes] = []
        self.kept: list[Exchange] = []

    def route(self, head: Head) -> Handler:
        """Find the handler."""

        def handle(authorization: str | None, body: bytes, exchange: Exchange) -> None:
            self.heads.append(head._replace(authorization=authorization))
            self.bodies.append(body)
            match head.path:
                case "/keep":
                    self.kept.append(exchange)
                case "/stream":
                    exchange.stream(JSON, (body[at : at + 7_000] for at in range(0, len(body), 7_000)))
                case "/accept":
                    exchange.accept(body)
                case "/broken":
                    exchange.break_off(Reply(200, JSON, body), missing=93)
                case _:
                    exchange.answer(Reply(404, JSON, body))

        return handle
