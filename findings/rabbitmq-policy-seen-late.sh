#!/bin/sh
# RabbitMQ's HTTP API tells a queue's old policy for seconds after the new one is in force.
#
# Expected: figures such as rates are collected every five seconds, as the manual says. Which policy a queue has is no
#   figure: once `PUT /api/policies` was answered and works, `GET /api/queues` names it.
# Seen: the policy (at most one message) is in force, the second message is refused, and the queue is still told without
#   a policy. After some seconds it is named; each later change is late by up to five seconds too. A script that puts a
#   policy, reads the queue and finds none believes that its pattern does not match.
# Server: Debian's rabbitmq-server, 3.10.8 (12), 4.0.5 (13) or 4.3.6 (sid): the same on each.
. "$(dirname "$0")/lib/finding.sh"
. "$(dirname "$0")/lib/servers.sh"

with_python pika==1.4.4 requests==2.34.2
with_rabbitmq
python <<'PYTHON'
import os
import time

import pika
import requests

URL = os.environ["MANAGEMENT_URL"] + "/api"


def policy_told():
    return requests.get(f"{URL}/queues/%2F/campaigns", timeout=10).json().get("policy")


def refused(channel):
    try:
        channel.basic_publish("", "campaigns", b"message")
    except pika.exceptions.NackError:
        return True
    return False


with pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])) as connection:
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("campaigns", durable=True)
    while "message_stats" not in requests.get(f"{URL}/queues/%2F/campaigns", timeout=10).json():
        channel.basic_publish("", "campaigns", b"message")  # until the figures of the queue have come once
        time.sleep(0.2)
    definition = {"max-length": 1, "overflow": "reject-publish"}
    body = {"pattern": "^campaigns$", "definition": definition, "apply-to": "queues"}
    print("PUT:", requests.put(f"{URL}/policies/%2F/short", json=body, timeout=10).status_code)
    began = time.monotonic()
    while not refused(channel) and time.monotonic() - began < 2:
        time.sleep(0.02)
    print("in force within two seconds:", time.monotonic() - began < 2, "| policy told then:", policy_told())
    while policy_told() is None and time.monotonic() - began < 30:
        time.sleep(0.1)
    print("later than a second:", time.monotonic() - began > 1, "| policy told then:", policy_told())
PYTHON
as_stated <<'SEEN'
PUT: 201
in force within two seconds: True | policy told then: None
later than a second: True | policy told then: short
SEEN
