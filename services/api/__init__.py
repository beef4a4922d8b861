"""The operators' HTTP gateway.

In: HTTP under `/v1` with the operator key; `/health/*`, `/metrics` and `/docs` without. Out: `campaign.plan.v1` and
`campaign.close.v1` to the planner, `campaign.*` events, both through the outbox. Owns: the device registry's writes
and the campaign's creation; every change of a campaign's state goes through `shared.ledger.campaigns` and `steering`.

Promises: a state change and its message are one transaction; a change is answered once it is committed, however busy
the broker is; every refusal is an RFC 9457 problem with a stable `type`; an import keeps what it has committed.

Reading order: `app` (build), `web` (routes and their order), `campaigns`, `devices`, `system` (a router for each
resource), `steering` (what else is done to campaigns) and `results` (what became of them), each with its own reading
order, likewise `audiences` (for whom they are), `registry` and `imports` (devices one by one and by the million),
`schemas` and `stats` (what travels), `importing` (lines to rows), `chunks` (rows to PostgreSQL), `store` (queries),
`problems` and `faults` (every refusal), `security`, `middleware`.
"""
