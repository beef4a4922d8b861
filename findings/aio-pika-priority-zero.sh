#!/bin/sh
# aio-pika 10.2.1 sends priority 0 where none was given; RabbitMQ 4.3.6 serves that after everybody else's messages.
#
# Expected: `Message(priority=None)`, the default, sends no priority, as other clients do; on the wire it is an optional
#   property. A quorum queue of RabbitMQ 4.3 counts a message without one as 4, the middle.
# Seen: aio-pika puts 0 on the wire, and reads no priority as 0 too. Of messages that two services publish without a
#   word on priority, RabbitMQ 4.3.6 delivers all of the pika service before any of the aio-pika service: while the
#   former goes on, the latter starves. Up to 4.0.5 they come in order, so that it begins with an upgrade of the server.
# Server: Debian's rabbitmq-server, 3.10.8 (12), 4.0.5 (13) or 4.3.6 (sid).
. "$(dirname "$0")/lib/finding.sh"
. "$(dirname "$0")/lib/servers.sh"

with_python aio-pika==10.2.1 aiormq==7.2.4 pamqp==4.0.1 pika==1.4.4
with_rabbitmq
python <<'PYTHON'
import asyncio
import os

import aio_pika
import pika

URL = os.environ["AMQP_URL"]


async def by_aio_pika(queue):
    async with await aio_pika.connect(URL) as connection:
        channel = await connection.channel()
        await channel.default_exchange.publish(aio_pika.Message(b"aio-pika"), queue)


with pika.BlockingConnection(pika.URLParameters(URL)) as connection:
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("campaigns", durable=True, arguments={"x-queue-type": "quorum"})
    for _ in range(2):
        asyncio.run(by_aio_pika("campaigns"))
        channel.basic_publish("", "campaigns", b"pika")
    channel.basic_qos(prefetch_count=1)
    for method, properties, body in channel.consume("campaigns", inactivity_timeout=2):
        if method is None:
            break
        print(f"{body.decode():<8}  priority on the wire: {properties.priority}")
        channel.basic_ack(method.delivery_tag)
PYTHON
case $RABBITMQ_VERSION in
    3.* | 4.0.*)
        as_stated <<'SEEN'
aio-pika  priority on the wire: 0
pika      priority on the wire: None
aio-pika  priority on the wire: 0
pika      priority on the wire: None
SEEN
        ;;
    *)
        as_stated <<'SEEN'
pika      priority on the wire: None
pika      priority on the wire: None
aio-pika  priority on the wire: 0
aio-pika  priority on the wire: 0
SEEN
        ;;
esac
