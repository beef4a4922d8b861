"""The broker client: connections, confirmed publishing, consuming with late acks.

Promises: a publish returns only when the broker has confirmed it; a delivery is acked only when its handler has
returned; trouble of the infrastructure never rejects a message. Reading order: `connection`, `publisher`,
`subscription` (deliveries into a queue of ours), `workers` (a handler over a subscription).
"""
