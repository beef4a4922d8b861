"""libcurl's multi interface on the event loop: HTTP/2, many streams, several connections, no thread, no task."""

import asyncio
import select
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import pycurl

from services.sender.gateways.tcp_cork import corked
from services.sender.gateways.transfer import Transfer

HTTP2_AGAIN = 30.0
"""Seconds after a failed request in which the pool accepts any version that the peer offers: behind one address some
servers may offer only HTTP/1.1, while others still answer over HTTP/2."""

OnDone = Callable[[Transfer, int, str], None]
"""A transfer that ended, with libcurl's code (0: complete) and text."""


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """Size of the pool: connections to a host, and streams on each (the peer's SETTINGS may allow fewer)."""

    connections: int = 20
    streams: int = 100


class ConnectionPool:
    """A set of connections and the transfers on them.

    A busy connection is never idle, so libcurl would never close it by age. The gateway replaces the whole pool
    instead, and closes the old one when its last transfer has ended. After an answer over HTTP/2 the pool uses HTTP/2
    only, until a request fails.
    """

    def __init__(self, options: PoolOptions, on_done: OnDone, on_drained: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_done = on_done
        self._on_drained = on_drained
        self._active: dict[pycurl.Curl, Transfer] = {}
        self._watched: dict[int, int] = {}
        self._started = 0
        self._timer: asyncio.Handle | None = None
        self._idle = IdleConnections()
        self._http2_only = False
        self._http2_from = 0.0
        self._multi = multi = pycurl.CurlMulti()
        multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, options.connections)
        multi.setopt(pycurl.M_MAXCONNECTS, options.connections)
        multi.setopt(pycurl.M_MAX_CONCURRENT_STREAMS, options.streams)
        multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self.born = self._loop.time()
        self.broken = False

    @property
    def active(self) -> int:
        """Transfers in flight."""
        return len(self._active)

    @property
    def deserted(self) -> bool:
        """Whether a peer has closed an idle connection: the fate of a message put on it would be unknown."""
        return self._idle.any_closed()

    def start(self, transfer: Transfer) -> None:
        """Start a loaded transfer; it moves on the event loop's next turn."""
        self._started += 1
        if transfer.http2_only is not self._http2_only:
            transfer.set_http2_only(self._http2_only)
        self._active[transfer.handle] = transfer
        self._multi.add_handle(transfer.handle)

    def abort_all(self) -> list[Transfer]:
        """Remove every transfer, which resets its stream; the caller owes each an answer."""
        transfers = list(self._active.values())
        for transfer in transfers:
            self._multi.remove_handle(transfer.handle)
        self._active.clear()
        return transfers

    def close(self) -> None:
        """Close all connections; nothing may be in flight."""
        self._set_timer(-1)
        self._multi.close()
        for fd in list(self._watched):
            self._watch(pycurl.POLL_REMOVE, fd, self._multi, None)
        self._idle.close()

    def _watch(self, what: int, fd: int, _multi: pycurl.CurlMulti, _data: object) -> None:
        """Libcurl names the events that it waits for on a socket; only changes reach the loop."""
        wanted = 0 if what == pycurl.POLL_REMOVE else what
        had = self._watched.pop(fd, 0)
        if wanted:
            self._watched[fd] = wanted
            self._idle.discard(fd)
        else:
            self._idle.add(fd)
        changed = wanted ^ had
        if changed & pycurl.POLL_IN:
            if wanted & pycurl.POLL_IN:
                self._loop.add_reader(fd, self._drive, fd, pycurl.CSELECT_IN)
            else:
                self._loop.remove_reader(fd)
        if changed & pycurl.POLL_OUT:
            if wanted & pycurl.POLL_OUT:
                self._loop.add_writer(fd, self._drive, fd, pycurl.CSELECT_OUT)
            else:
                self._loop.remove_writer(fd)

    def _set_timer(self, milliseconds: int) -> None:
        """Libcurl names the time of its next step; it must not be entered again from within its own callback."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if milliseconds == 0:
            self._timer = self._loop.call_soon(self._on_timer)
        elif milliseconds > 0:
            self._timer = self._loop.call_later(milliseconds / 1000, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._drive(pycurl.SOCKET_TIMEOUT, 0)

    def _drive(self, fd: int, events: int) -> None:
        """Let libcurl work, then hand over what has ended; one call can end many transfers."""
        started, self._started = self._started, 0
        fds = self._watched.keys() | self._idle.fds if started else ()
        # Two calls for each connection are worth it where at least as many messages go.
        worth_it = started > len(fds)
        try:
            with corked(fds if worth_it else ()):
                _, running = self._multi.socket_action(fd, events)
        except pycurl.error as error:
            self._fail(*error.args)
            return
        if running == len(self._active):
            return
        _, complete, failed = self._multi.info_read()
        for handle in complete:
            self._end(handle, 0, "")
        for handle, code, text in failed:
            self._end(handle, code, text)
        self._on_drained()

    def _fail(self, code: int, text: str) -> None:
        """Libcurl has lost its own state: no answer would come, so each transfer ends here."""
        self.broken = True
        for transfer in self.abort_all():
            self._on_done(transfer, code, text)
        self._on_drained()

    def _end(self, handle: pycurl.Curl, code: int, text: str) -> None:
        self._multi.remove_handle(handle)
        transfer = self._active.pop(handle)
        if code:
            self._http2_only, self._http2_from = False, self._loop.time() + HTTP2_AGAIN
        elif not self._http2_only and self._loop.time() >= self._http2_from:
            self._http2_only = transfer.over_http2
        self._on_done(transfer, code, text)


class IdleConnections:
    """Open connections that libcurl does not look at, since nothing is in flight on them.

    It looks before it uses one again, but only once a second. Where there is no epoll, that has to do.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll() if sys.platform == "linux" else None
        self.fds: set[int] = set()

    def add(self, fd: int) -> None:
        """Look at the socket from now on, if libcurl has not closed it."""
        if self._epoll is not None:
            with suppress(OSError):
                self._epoll.register(fd, select.EPOLLRDHUP)
                self.fds.add(fd)

    def discard(self, fd: int) -> None:
        """Libcurl looks at it again."""
        if self._epoll is not None and fd in self.fds:
            self.fds.remove(fd)
            with suppress(OSError):
                self._epoll.unregister(fd)

    def any_closed(self) -> bool:
        """Whether a peer has closed one of them. A socket that libcurl has closed is no longer told of."""
        return self._epoll is not None and bool(self.fds) and bool(self._epoll.poll(0))

    def close(self) -> None:
        """Look at nothing more."""
        if self._epoll is not None:
            self._epoll.close()
