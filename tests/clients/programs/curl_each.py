"""The machine's curl in parallel: `python … VERSION URL SERVICE_ACCOUNT TOKEN…` (http2 or http1.1), a JSON line out."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path


def main(version: str, url: str, *tokens: str) -> None:
    """Send to each token by one transfer of a single curl; say the name, or the status."""
    with tempfile.TemporaryDirectory() as folder:
        blocks = []
        for number, token in enumerate(tokens):
            body = json.dumps({"message": {"token": token}})
            blocks.append(
                f'url = "{url}/v1/projects/demo/messages:send"\n{version}\nsilent\nmax-time = 60\n'
                f'cacert = "{os.environ["SSL_CERT_FILE"]}"\nheader = "authorization: Bearer x"\n'
                f'json = {json.dumps(body)}\noutput = "{folder}/{number}"\nwrite-out = "{number} %{{http_code}}\\n"\n'
            )
        config = Path(folder, "config")
        config.write_text("next\n".join(blocks))
        command = ("curl", "--parallel", "--parallel-max", "100", "--config", str(config))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        statuses = dict(line.split() for line in done.stdout.splitlines())
        said = []
        for number in range(len(tokens)):
            status, answer = statuses.get(str(number), "none"), Path(folder, str(number))
            said.append(json.loads(answer.read_text())["name"] if status == "200" else status)
        sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:3], *sys.argv[4:])
