#!/bin/sh
# httpx-sse 0.4.3 makes events of blocks that have no data.
#
# Expected: as the WHATWG's event stream format says and browsers do, a block whose data is empty dispatches nothing.
#   A heartbeat (a comment) and a block that only sets `retry` are therefore never seen by the application.
# Seen: the lone `retry` is an event with empty data; so is every heartbeat, as soon as one event has had an `id`.
#   Before the first `id` heartbeats are no events, so a test with a short stream does not show it. Whoever parses
#   `event.data` as JSON fails at the first heartbeat of a quiet stream.
. "$(dirname "$0")/lib/finding.sh"

with_python httpx==0.28.1 httpx-sse==0.4.3
python <<'PYTHON'
import httpx
from httpx_sse import connect_sse

BLOCKS = {
    "heartbeat before an id": ": heartbeat\n\n",
    "retry alone": "retry: 3000\n\n",
    "event with an id": "id: 7\ndata: {}\n\n",
    "heartbeat after an id": ": heartbeat\n\n",
}


def answer(request):
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, content="".join(BLOCKS.values()))


print("blocks:", ", ".join(BLOCKS))
with httpx.Client(transport=httpx.MockTransport(answer)) as client:
    with connect_sse(client, "GET", "http://push.test/events") as source:
        for event in source.iter_sse():
            print(f"event: id={event.id!r} retry={event.retry} data={event.data!r}")
PYTHON
as_stated <<'SEEN'
blocks: heartbeat before an id, retry alone, event with an id, heartbeat after an id
event: id='' retry=3000 data=''
event: id='7' retry=None data='{}'
event: id='7' retry=None data=''
SEEN
