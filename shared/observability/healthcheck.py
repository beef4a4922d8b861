"""`python -m shared.observability.healthcheck [ready|live]`: ask this container's service about itself.

For engines that run a command in the container. Imports nothing heavy: it runs every few seconds.
"""

import os
import sys
import urllib.request

TIMEOUT = 4.0
"""Seconds: less than the engine's own limit, so that the reason is told."""


def main(probe: str) -> int:
    """Exit code for the engine: 0 when the service says yes."""
    url = f"http://127.0.0.1:{os.environ.get('CARILLON_HTTP_PORT', '8000')}/health/{probe}"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=TIMEOUT):
            return 0
    except OSError as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "ready"))
