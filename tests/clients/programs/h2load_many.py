"""h2load, as many messages to the first token as tokens are named: `python … URL ACCOUNT TOKEN…`, a JSON line out."""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def main(url: str, *tokens: str) -> None:
    """Send over three connections, a hundred streams each; say the status of each that succeeded."""
    with tempfile.NamedTemporaryFile("w") as body:
        Path(body.name).write_text(json.dumps({"message": {"token": tokens[0]}}))
        command = ("h2load", "-n", str(len(tokens)), "-c", "3", "-m", "100", "-H", "authorization: Bearer x")
        target = f"{url}/v1/projects/demo/messages:send"
        done = subprocess.run((*command, "-d", body.name, target), capture_output=True, text=True, check=True)
    found = re.search(r"status codes: (\d+) 2xx", done.stdout)
    sys.stdout.write(json.dumps(["200"] * int(found[1] if found else 0)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], *sys.argv[3:])
