"""What at least two services use, and the ledger, whose rules must be read in one place.

Reading order: `contracts` (what travels), `topology` (where), `ledger` (what is true), then `amqp`, `db`,
`outbox`, `lifecycle`, `observability`, `config` and `errors`, which carry them.
"""
