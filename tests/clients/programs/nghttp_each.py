"""nghttp, a connection for each message: `python … URL SERVICE_ACCOUNT TOKEN…`, a JSON line out."""

import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

STATUS = re.compile(r":status: (\d+)")
NAME = re.compile(r'"name": "([^"]+)"')


def send(url: str, token: str) -> str:
    """Send to one token; say the name, or the status."""
    with tempfile.NamedTemporaryFile("w") as body:
        Path(body.name).write_text(json.dumps({"message": {"token": token}}))
        command = ("nghttp", "-v", "-t", "60", "-H", "authorization: Bearer x", "-d", body.name)
        done = subprocess.run((*command, f"{url}/v1/projects/demo/messages:send"), capture_output=True, check=False)
    said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout.decode(errors="replace"))
    status, name = STATUS.search(said), NAME.search(said)
    if status and status[1] == "200" and name:
        return name[1]
    return status[1] if status else "none"


def main(url: str, *tokens: str) -> None:
    """Send to all, a few at a time."""
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda token: send(url, token), tokens))
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], *sys.argv[3:])
