"""One request at a time on a libcurl handle that is used again for the next: only route, length and body change."""

import socket
from dataclasses import dataclass
from pathlib import Path

import certifi
import pycurl

from services.sender.gateways import ACCEPTED, Answer, Fault, Route, TransportError
from services.sender.gateways.paced_batch import PacedBatch
from shared.version import USER_AGENT

HTTP_OK = 200
HTTP2: int = pycurl.CURL_HTTP_VERSION_2_0

MAX_ANSWER = 256 * 1024
"""Bytes of an answer that are read; FCM's are under 2 kB, and a proxy's endless page must not fill the memory."""

UPLOAD_BUFFER = 16 * 1024
"""Bytes that libcurl keeps for the body of each request in flight: the least that it takes, four times FCM's largest
message. Its own default is 64 kB, of which 2,000 in flight made 90 MB that no cache holds."""

UNSAID = ("Accept:",)
"""Headers that libcurl would add without need: it builds each of them again for each message, twice."""

NO_WINDOW = 64 * 1024
"""Bytes a second at which an answer is read where no window is to be opened for it: HTTP/2 grants 64 kB unasked. Above
that libcurl opens one of 10 MB for each stream that waits, a frame, a TLS record and a call more for each message."""

TCP_USER_TIMEOUT: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)
"""Linux has it; elsewhere only timeouts on the connection end it."""

_FAULTS = {
    pycurl.E_COULDNT_RESOLVE_HOST: Fault.RESOLVE,
    pycurl.E_COULDNT_RESOLVE_PROXY: Fault.RESOLVE,
    pycurl.E_COULDNT_CONNECT: Fault.CONNECT,
    pycurl.E_SSL_CONNECT_ERROR: Fault.TLS,
    pycurl.E_PEER_FAILED_VERIFICATION: Fault.TLS,
    pycurl.E_SSL_CACERT_BADFILE: Fault.TLS,
    pycurl.E_SSL_ISSUER_ERROR: Fault.TLS,
    pycurl.E_OPERATION_TIMEDOUT: Fault.TIMEOUT,
}


@dataclass(frozen=True, slots=True)
class TransferOptions:
    """Seconds and files that every request shares."""

    timeout: float = 15.0
    connect_timeout: float = 5.0
    ca_file: Path | None = None


class Transfer:
    """A handle and the message it carries.

    The body goes through a read callback that cannot rewind, and that is the point: libcurl silently repeats a
    POST when a reused connection dies before the answer, though FCM may have delivered it. Without rewind it
    repeats only what it never read, and reports the rest. `taken` is therefore the proof: False, nothing left.
    """

    __slots__ = ("_batch", "_chunks", "_rest", "_route", "_size", "handle", "http2_only", "position", "taken")

    def __init__(self, options: TransferOptions) -> None:
        self._batch: PacedBatch | None = None
        self.position = 0
        self.taken = False
        self.http2_only = False
        self._rest = b""
        self._size = -1
        self._route: Route | None = None
        self._chunks: list[bytes] = []
        self.handle = handle = pycurl.Curl()
        handle.setopt(pycurl.POST, 1)
        handle.setopt(pycurl.READFUNCTION, self._read)
        handle.setopt(pycurl.WRITEFUNCTION, self._chunks.append)
        self.set_http2_only(False)
        handle.setopt(pycurl.PIPEWAIT, 1)
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.USERAGENT, USER_AGENT)
        handle.setopt(pycurl.TCP_KEEPALIVE, 1)
        handle.setopt(pycurl.MAXFILESIZE, MAX_ANSWER)
        handle.setopt(pycurl.UPLOAD_BUFFERSIZE, UPLOAD_BUFFER)
        handle.setopt(pycurl.TIMEOUT_MS, round(options.timeout * 1000))
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, round(options.connect_timeout * 1000))
        handle.setopt(pycurl.CAINFO, str(options.ca_file or certifi.where()))
        user_timeout = round(options.timeout * 1000)
        handle.setopt(pycurl.SOCKOPTFUNCTION, lambda fd, _purpose: _give_up_on_dead_peer(fd, user_timeout))

    def set_http2_only(self, wanted: bool) -> None:
        """Speak HTTP/2 and nothing else, opening no window (`NO_WINDOW`), or whatever the peer offers.

        An answer that is read at a speed and whose length libcurl knows comes late: it is spread over time. So the
        length is not looked at, which HTTP/2 can do without and HTTP/1.1 can not: there it would never end.
        """
        self.http2_only = wanted
        versions = (pycurl.CURL_HTTP_VERSION_2TLS, pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE)
        self.handle.setopt(pycurl.HTTP_VERSION, versions[wanted])
        self.handle.setopt(pycurl.IGNORE_CONTENT_LENGTH, int(wanted))
        self.handle.setopt(pycurl.MAX_RECV_SPEED_LARGE, NO_WINDOW if wanted else 0)

    def load(self, batch: PacedBatch, position: int, body: bytes) -> None:
        """Prepare the next request; only what differs from the last is set."""
        self._batch = batch
        self.position = position
        self.taken = False
        self._rest = body
        self._chunks.clear()
        if batch.route is not self._route:
            self._route = batch.route
            self.handle.setopt(pycurl.URL, batch.route.url)
            self.handle.setopt(pycurl.HTTPHEADER, [*batch.route.headers, *UNSAID])
        if len(body) != self._size:
            self._size = len(body)
            self.handle.setopt(pycurl.POSTFIELDSIZE, self._size)

    def unload(self) -> PacedBatch:
        """The batch that waits for this transfer's answer; the transfer is free afterwards."""
        batch, self._batch = self._batch, None
        if batch is None:
            raise RuntimeError("a transfer was unloaded twice: its answer would count twice")
        return batch

    def _read(self, size: int) -> bytes:
        self.taken = True
        body = self._rest
        if len(body) <= size:
            self._rest = b""
            return body
        self._rest = body[size:]
        return body[:size]

    def answer(self) -> Answer:
        """The answer of a request that libcurl calls complete."""
        status = self.handle.getinfo(pycurl.RESPONSE_CODE)
        chunks = self._chunks
        if status == HTTP_OK and chunks and chunks[0][:1] == b"{":
            return ACCEPTED
        return Answer(status, self._headers(), b"".join(chunks))

    def failure(self, code: int, text: str) -> Answer:
        """The answer of a request that libcurl gave up on; a status that had already come is kept."""
        fault = _FAULTS.get(code, Fault.CUT)
        if fault is Fault.TIMEOUT and not self.taken:
            fault = Fault.CONNECT
        return self._cut_short(TransportError(fault, self.taken, f"libcurl {code}: {text}"))

    def aborted(self) -> Answer:
        """The answer of a request that we ended ourselves."""
        return self._cut_short(TransportError(Fault.ABORTED, self.taken, "the sender stopped before an answer"))

    def _cut_short(self, error: TransportError) -> Answer:
        return Answer(self.handle.getinfo(pycurl.RESPONSE_CODE), self._headers(), b"".join(self._chunks), error=error)

    def _headers(self) -> dict[str, str]:
        """The one header that decides anything; libcurl has already turned a date into seconds."""
        seconds = self.handle.getinfo(pycurl.RETRY_AFTER)
        return {"retry-after": str(seconds)} if seconds > 0 else {}

    @property
    def connection_id(self) -> int:
        """Libcurl's number of the connection last used; -1 for none."""
        number: int = self.handle.getinfo(pycurl.CONN_ID)
        return number

    @property
    def over_http2(self) -> bool:
        """Whether the last answer came by HTTP/2."""
        version: int = self.handle.getinfo(pycurl.INFO_HTTP_VERSION)
        return version == HTTP2

    @property
    def project(self) -> str:
        """The project whose message it carried last."""
        return "" if self._route is None else self._route.project

    @property
    def seconds(self) -> float:
        """How long the last request took."""
        total: float = self.handle.getinfo(pycurl.TOTAL_TIME)
        return total

    def close(self) -> None:
        """Free the handle; it must be in no connection pool."""
        self.handle.close()


def _give_up_on_dead_peer(fd: int, milliseconds: int) -> int:
    """Let the kernel close a connection whose peer acknowledges nothing: its streams could only time out."""
    if TCP_USER_TIMEOUT is not None:
        connection = socket.socket(fileno=fd)
        connection.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, milliseconds)
        connection.detach()
    return 0
