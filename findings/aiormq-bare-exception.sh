#!/bin/sh
# aiormq 7.2.4 raises no AMQP error, and once a bare `Exception`, where a channel is opened while its connection closes.
#
# Expected: what a broken connection raises can be told from a fault of one's own: aiormq has `AMQPError` for it, and a
#   closed connection raises `ChannelInvalidStateError` or `ConnectionClosed`, which a consumer catches to begin again.
# Seen: by the moment at which the call is made it raises `CancelledError`, though nobody cancelled the task,
#   `Exception` itself, without a word, or `RuntimeError`. The second lasts for two turns of the event loop, and no list
#   of errors holds it but one that holds everything: a loop that registers consumers anew after a lost connection dies
#   in one of many reconnects, and with it the consumer.
# Server: Debian's rabbitmq-server, 3.10.8 (12), 4.0.5 (13) or 4.3.6 (sid).
. "$(dirname "$0")/lib/finding.sh"
. "$(dirname "$0")/lib/servers.sh"

with_python aiormq==7.2.4 pamqp==4.0.1
with_rabbitmq
python <<'PYTHON'
import asyncio
import os

import aiormq


async def opened_after(turns):
    """What opening a channel raises so many turns of the event loop after the close has begun."""
    connection = await aiormq.connect(os.environ["AMQP_URL"])
    closing = asyncio.create_task(connection.close())
    for _ in range(turns):
        await asyncio.sleep(0)
    try:
        await connection.channel()
    except BaseException as error:
        return type(error).__name__
    finally:
        await asyncio.gather(closing, return_exceptions=True)
    return "opened"


async def main():
    print(*sorted({await opened_after(turns) for turns in range(40)}))


asyncio.run(main())
PYTHON
as_stated <<'SEEN'
CancelledError Exception RuntimeError
SEEN
