"""`python -m shared.observability.healthcheck [ready|live]`: ask this container's service about itself.

For engines that run a command in the container. Imports nothing heavy: it runs every few seconds.
"""

import os
import sys
import urllib.request
from pathlib import Path

from shared.version import USER_AGENT

TIMEOUT = 4.0
"""Seconds: less than the engine's own limit, so that the reason is told."""


def main(probe: str) -> int:
    """Exit code for the engine: 0 when the service says yes."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    direct.addheaders = [("User-Agent", USER_AGENT)]
    try:
        url = f"http://127.0.0.1:{_port()}/health/{probe}"
        with direct.open(url, timeout=TIMEOUT):
            return 0
    except OSError as error:
        sys.stderr.write(f"/health/{probe}: {error}\n")
    except ValueError:
        sys.stderr.write("CARILLON_HTTP_PORT is wrong: it should be a whole number; an example is 8000.\n")
    return 1


def _port() -> int:
    """Where the service listens, by the variable or its file, as `shared.config` reads them."""
    file = os.environ.get("CARILLON_HTTP_PORT_FILE")
    return int(Path(file).read_text() if file else os.environ.get("CARILLON_HTTP_PORT") or "8000")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "ready"))
