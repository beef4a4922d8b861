"""The broker client: connections, confirmed publishing, consuming with late acks.

Promises: a publish returns only when the broker has confirmed it; a delivery is acked only when its handler has
returned; an infrastructure failure never rejects a message. Reading order: `connection`, `publisher`,
`delivery`, `consumer` (one registration), `subscription` (for as long as it is wanted), `workers` (a handler over it).
"""
