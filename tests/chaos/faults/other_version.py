"""`python -m tests.chaos.faults.other_version MODULE`: a service that behaves as another version of it.

Every message that it publishes carries a field that this version does not know, and lacks those that it could do
without: what two versions meet in a rolling upgrade. Its events lose nothing, for their data is the subscribers'.
"""

import json
import runpy
import sys
from typing import Any

from shared.contracts.messages import BatchReady, BatchResult, Payload

UNKNOWN = {"from_another_version": {"why": "a field of the next version", "list": [1, None, "종"]}}
OPTIONAL = {BatchReady.type: {"deadline"}, BatchResult.type: {"samples"}}

_original = Payload.model_dump_json


def as_another_version(payload: Payload, **options: Any) -> str:
    """The payload's JSON with a field more and some fewer."""
    options["exclude"] = OPTIONAL.get(payload.type, set())
    return json.dumps({**json.loads(_original(payload, **options)), **UNKNOWN}, ensure_ascii=False)


if __name__ == "__main__":
    Payload.model_dump_json = as_another_version  # type: ignore[method-assign,assignment]
    module = sys.argv.pop()
    runpy.run_module(module, run_name="__main__", alter_sys=True)
