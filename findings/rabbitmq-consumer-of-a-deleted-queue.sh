#!/bin/sh
# RabbitMQ 3.10.8 goes on giving messages to a consumer of a queue that was deleted, who never gets them.
#
# Expected: a client that says it understands `basic.cancel` gets one when the queue of its consumer is deleted; the
#   manual's page on this notification knows no exception. A queue that is declared anew under the name has no consumer.
# Seen: of a quorum queue that is deleted and declared again at once, as a deployment's script does, nothing is
#   cancelled. The new queue counts a consumer and gives it the message, the client gets nothing: it waits for ever, and
#   the queue looks served and empty. A classic queue cancels. So do both on 4.0.5 and 4.3.6.
# Server: Debian's rabbitmq-server, 3.10.8 (12), 4.0.5 (13) or 4.3.6 (sid).
. "$(dirname "$0")/lib/finding.sh"
. "$(dirname "$0")/lib/servers.sh"

with_python pika==1.4.4
with_rabbitmq
python <<'PYTHON'
import os

import pika

parameters = pika.URLParameters(os.environ["AMQP_URL"])
for kind in ("quorum", "classic"):
    client = pika.BlockingConnection(parameters)  # ends with the program: it has a consumer that is nowhere
    with pika.BlockingConnection(parameters) as admin:
        arguments, cancelled, got = {"x-queue-type": kind}, [], []
        channel, consuming = admin.channel(), client.channel()
        channel.confirm_delivery()
        channel.queue_declare("campaigns", durable=True, arguments=arguments)
        consuming.add_on_cancel_callback(cancelled.append)
        consuming.basic_consume("campaigns", lambda _channel, _method, _properties, body: got.append(body))
        channel.queue_delete("campaigns")
        channel.queue_declare("campaigns", durable=True, arguments=arguments)
        channel.basic_publish("", "campaigns", b"after")
        for _ in range(6):
            client.process_data_events(0.5)
        count = channel.queue_declare("campaigns", passive=True).method
        print(f"{kind}: cancelled {len(cancelled)}, client got {len(got)}", end="; ")
        print(f"the new queue says: consumers {count.consumer_count}, messages ready {count.message_count}")
        channel.queue_delete("campaigns")
PYTHON
case $RABBITMQ_VERSION in
    3.10.*)
        as_stated <<'SEEN'
quorum: cancelled 0, client got 0; the new queue says: consumers 1, messages ready 0
classic: cancelled 1, client got 0; the new queue says: consumers 0, messages ready 1
SEEN
        ;;
    *)
        as_stated <<'SEEN'
quorum: cancelled 1, client got 0; the new queue says: consumers 0, messages ready 1
classic: cancelled 1, client got 0; the new queue says: consumers 0, messages ready 1
SEEN
        ;;
esac
