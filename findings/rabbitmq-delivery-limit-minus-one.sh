#!/bin/sh
# RabbitMQ: `x-delivery-limit` -1 is "no limit" on 4.0.5 and 4.3.6, and "no second delivery" on 3.10.8.
#
# Expected: -1 means on every version what it means on 4.x, no limit. The arguments of a queue that exists cannot be
#   changed, so who wants no limit on 4.x, where 20 is the default, declares it before the upgrade. On 3.10.8, which
#   has no limit by default and takes the argument, it then changes nothing.
# Seen: 3.10.8 drops a message at its first return (or sends it to the dead-letter exchange): what shall keep messages
#   after the upgrade loses them before it.
# Server: Debian's rabbitmq-server, 3.10.8 (12), 4.0.5 (13) or 4.3.6 (sid).
. "$(dirname "$0")/lib/finding.sh"
. "$(dirname "$0")/lib/servers.sh"

with_python pika==1.4.4
with_rabbitmq
python <<'PYTHON'
import os
import time

import pika

with pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])) as connection:
    channel = connection.channel()
    channel.confirm_delivery()
    for name, limit in (("none given", {}), ("-1", {"x-delivery-limit": -1})):
        queue = f"limit {name}"
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum", **limit})
        channel.basic_publish("", queue, b"message")
        deliveries, missed = 0, 0
        while deliveries < 40 and missed < 10:
            method, _, _ = channel.basic_get(queue)
            if method is None:  # a return takes a moment
                missed += 1
                time.sleep(0.1)
                continue
            deliveries, missed = deliveries + 1, 0
            channel.basic_reject(method.delivery_tag, requeue=True)
        print(f"limit {name}: {deliveries} deliveries" + (" and on" if deliveries == 40 else ", then it is gone"))
PYTHON
case $RABBITMQ_VERSION in
    3.10.*)
        as_stated <<'SEEN'
limit none given: 40 deliveries and on
limit -1: 1 deliveries, then it is gone
SEEN
        ;;
    *)
        as_stated <<'SEEN'
limit none given: 21 deliveries, then it is gone
limit -1: 40 deliveries and on
SEEN
        ;;
esac
