"""pip-audit itself, before a database of ours on loopback: what it writes is what is read."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from deploy.dependencies.advisories import Report, look_up

LOCK = """uvloop==0.23.0 \\
    --hash=sha256:{0}
yarl==1.25.1 \\
    --hash=sha256:{0}
""".format("0" * 64)
ADVISORY = {
    "id": "MADE-UP-1",
    "modified": "2026-01-01T00:00:00Z",
    "published": "2026-01-01T00:00:00Z",
    "summary": "made up",
    "affected": [
        {
            "package": {"name": "yarl", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.26.0"}]}],
            "versions": ["1.25.1"],
        }
    ],
}


class Database(BaseHTTPRequestHandler):
    """Answers as OSV does: one advisory for yarl, none for anything else."""

    def do_POST(self) -> None:
        """Answer a query of one package."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = {"vulns": [ADVISORY]} if asked["package"]["name"] == "yarl" else {}
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def database() -> Iterator[list[str]]:
    """Serve it, and give the options with which pip-audit asks it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Database)
    thread = Thread(target=server.serve_forever, name="advisories")
    thread.start()
    try:
        yield ["--vulnerability-service", "osv", "--osv-url", f"http://127.0.0.1:{server.server_port}/v1/query"]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_vulnerability_is_found_behind_a_database_that_is_away(tmp_path: Path) -> None:
    """The first database does not answer, so the second is asked; `./run check` would fail."""
    lock = tmp_path / "requirements.lock"
    lock.write_text(LOCK)
    away = ["--vulnerability-service", "osv", "--osv-url", "http://127.0.0.1:9/v1/query"]
    with database() as options:
        report = look_up([lock], [away, options])
    assert report == Report(found=("yarl 1.25.1: MADE-UP-1, mended in 1.26.0",), known=2, unknown=())


def test_nobody_answers(tmp_path: Path) -> None:
    """Then there is no report, and the check says so and goes on."""
    lock = tmp_path / "requirements.lock"
    lock.write_text(LOCK)
    assert look_up([lock], [["--vulnerability-service", "osv", "--osv-url", "http://127.0.0.1:9/v1/query"]]) is None
