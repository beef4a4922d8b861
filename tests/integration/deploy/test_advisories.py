"""pip-audit itself, before a database of ours on loopback: what it writes is what is read."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.dependencies.advisories import Report, look_up
from tests.support.http_server import Handler, serving

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


class Database(Handler):
    """Answers as OSV does: one advisory for yarl, none for anything else."""

    def answer(self, body: bytes) -> bytes:
        """Answer a query of one package."""
        asked = json.loads(body)["package"]["name"]
        return json.dumps({"vulns": [ADVISORY]} if asked == "yarl" else {}).encode()


@contextmanager
def database() -> Iterator[list[str]]:
    """Serve it, and give the options with which pip-audit asks it."""
    with serving(Database) as url:
        yield ["--vulnerability-service", "osv", "--osv-url", f"{url}/v1/query"]


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
