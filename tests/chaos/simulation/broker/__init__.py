"""RabbitMQ in memory, as far as the services use it: topic exchanges and quorum queues of `shared.topology`.

In: what `shared.amqp` calls of aio-pika's interface (`client`). Owns: queues, unacked messages, TTLs, dead lettering,
delivery limits, connections (`server`). Promises what RabbitMQ promises (a confirmed message is in its queues; what is
unacked when a channel closes comes again) and, within that, everything that may go wrong: messages twice, late, out of
order, confirms that never come, connections that break, queues that are wiped. Reading order: `queue`, `server`,
`client`.
"""
