"""The reference gateway: firebase-admin's own `send_each_async` behind the same interface.

For tests and benchmarks only: it costs forty times the CPU. It shows that what the other gateway puts on the wire
is what Google's own client puts there.
"""

import asyncio
import json
import ssl
from itertools import count
from pathlib import Path

import certifi
import firebase_admin
import httpx
from firebase_admin import credentials, exceptions, messaging

from services.sender.gateways import (
    ACCEPTED,
    UNPACED,
    Answer,
    Fault,
    Messages,
    OnAnswer,
    Pace,
    Route,
    TransportError,
)
from services.sender.gateways.firebase_message import to_firebase

SLICE = 100
"""Messages in one call: few enough for its one connection's streams."""

_names = count(1)


class FirebaseGateway:
    """A `Gateway` for one project's service-account file; of a `Pace` it honours `stop_at` and `keep_going`."""

    def __init__(self, service_account: Path, *, ca_file: Path | None) -> None:
        certificate = credentials.Certificate(str(service_account))
        self._app = firebase_admin.initialize_app(certificate, name=f"carillon-oracle-{next(_names)}")
        self._service = messaging._get_messaging_service(self._app)  # noqa: SLF001 - its URL cannot be set otherwise
        trusted = ssl.create_default_context(cafile=str(ca_file) if ca_file else certifi.where())
        self._client = httpx.AsyncClient(http2=True, verify=trusted, timeout=30)
        self._service._async_client._async_client = self._client  # noqa: SLF001 - its own takes no CA file and retries

    async def send_batch(self, messages: Messages, *, route: Route, on_answer: OnAnswer, pace: Pace = UNPACED) -> int:
        """See `Gateway.send_batch`."""
        self._service._fcm_url = route.url  # noqa: SLF001 - the class writes FCM's host into its code
        self._client.headers.update(dict(header.split(": ", 1) for header in route.headers))
        loop = asyncio.get_running_loop()
        started = 0
        while started < len(messages) and loop.time() < pace.stop_at and pace.keep_going():
            positions = range(started, min(started + SLICE, len(messages)))
            started = positions.stop
            batch = [to_firebase(json.loads(messages[position])["message"]) for position in positions]
            sent = await messaging.send_each_async(batch, app=self._app)
            for position, response in zip(positions, sent.responses, strict=True):
                on_answer(position, ACCEPTED if response.success else _answer(response.exception))
        return started

    async def close(self, budget: float) -> None:
        """See `Gateway.close`; nothing is ever in flight outside `send_batch`."""
        async with asyncio.timeout(budget):
            await self._client.aclose()
        # In a thread, because it runs an event loop of its own to close a client that is closed already.
        await asyncio.to_thread(firebase_admin.delete_app, self._app)


def _answer(error: exceptions.FirebaseError) -> Answer:
    """firebase-admin's exception back as the answer it was made of."""
    response = error.http_response
    if response is not None:
        return Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}, response.content)
    unsent = isinstance(error.cause, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    fault = Fault.TIMEOUT if isinstance(error.cause, httpx.TimeoutException) else Fault.CUT
    return Answer(error=TransportError(Fault.CONNECT if unsent else fault, not unsent, str(error)[:300]))
