"""The API against its own OpenAPI, on a whole running stack: generated requests, every answer as it is documented.

CARILLON_OPENAPI_EXAMPLES sets how many requests are made up for each operation and kind of data, CARILLON_OPENAPI_SEED
which ones: the default is always the same.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.local.folders import REPOSITORY
from deploy.local.options import StackOptions
from deploy.local.stack import Stack

EXAMPLES = int(os.environ.get("CARILLON_OPENAPI_EXAMPLES", "3"))
SEED = os.environ.get("CARILLON_OPENAPI_SEED", "1")
SECONDS = 240 + 30 * EXAMPLES

CONFIG = """
hooks = "tests.contracts.openapi_rules"
continue-on-failure = true
request-timeout = 30

[generation]
database = "none"
max-examples = {examples}

# The combinations that this phase writes out are 20,000 for a campaign alone; fuzzing draws from the same.
[phases.coverage]
enabled = false

[phases.stateful]
enabled = {stateful}

# 412, 428: the version that an update needs is the server's to tell. 422 is judged by `refused_only_by_a_rule`.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "412", "422", "428", "429", "503"]

# Any text is lines: those that cannot be taken are counted and told. An import has the format it was announced with.
[[operations]]
include-path-regex = "^/v1/(devices/bulk|lists|lists/{{list_id}}/users|imports/{{import_id}}/lines)$"
[operations.checks.negative_data_rejection]
expected-statuses = ["2xx", "404", "409", "413", "415", "422"]
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "404", "409", "415", "422"]

# A stream that is taken does not end; what is not taken is checked like all else. Streams have tests of their own.
[[operations]]
include-path-regex = "/events$"
[operations.generation]
mode = "negative"
[operations.phases.examples]
enabled = false
[operations.phases.stateful]
enabled = false
"""


@pytest.mark.timeout(SECONDS + 60)
async def test_every_answer_of_the_api_is_as_it_is_documented(tmp_path: Path) -> None:
    """No 5xx, no undocumented status, header or body; what fits the schema is taken and what does not is refused."""
    config, report = tmp_path / "schemathesis.toml", tmp_path / "report.json"
    config.write_text(CONFIG.format(examples=EXAMPLES, stateful=str(EXAMPLES > 10).lower()))
    options = StackOptions(name="openapi", durable=False, environment={"CARILLON_RATE_LIMIT": "100000"})
    async with Stack(options) as stack:
        said = await generate(stack, config, report)
    found: dict[str, Any] = json.loads(report.read_text())
    cases = found["test_cases"]
    sys.stdout.write(f"{cases['generated']} requests over {found['operations']['tested']} operations\n")
    assert cases["unique_failures"] == 0, said
    assert cases["errored"] == 0, said
    assert found["complete"], said
    assert found["operations"]["tested"] == found["operations"]["total"], said


async def generate(stack: Stack, config: Path, report: Path) -> str:
    """Let schemathesis make up requests; return what it says."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)),
        *("run", f"{stack.api_url}/openapi.json", "--checks", "all", "--no-color"),
        *("--seed", SEED),
        *("--header", f"Authorization: Bearer {stack.operator_key}"),
        *("--report", "json", "--report-json-path", str(report)),
    ]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=config.parent, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(SECONDS):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return said.decode()
