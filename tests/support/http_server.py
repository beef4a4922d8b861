"""An HTTP server in a thread, for what Carillon or a tool of its calls."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from deploy.local.ports import LOOPBACK


class Handler(BaseHTTPRequestHandler):
    """Answers a POST by `answer`, and logs nothing."""

    def do_POST(self) -> None:
        """Read the body, and answer."""
        body = self.answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, body: bytes) -> bytes:
        """Give the body of the answer to a request with this one."""
        raise NotImplementedError

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@contextmanager
def serving(handler: type[Handler]) -> Iterator[str]:
    """Serve by this handler as long as the block lasts, however it ends; gives the URL, without a path."""
    with ThreadingHTTPServer((LOOPBACK, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="http server")
        thread.start()
        try:
            yield f"http://{LOOPBACK}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
