"""The operators' HTTP gateway.

In: HTTP under `/v1` with the operator key; `/health/*`, `/metrics` and `/docs` without. Out: `campaign.plan.v1` and
`campaign.close.v1` to the planner, `campaign.*` events, both through the outbox. Owns: the device registry's writes
and the campaign's creation; every change of a campaign's state goes through `shared.ledger.campaigns` and `steering`.

Promises: a state change and its message are one transaction; a change is answered once it is committed, however busy
the broker is; every refusal is an RFC 9457 problem with a stable `type`; an import keeps what it has committed.

Reading order: `app` (build), `web` (routes and their order), `resources` (what a request can reach), then the rooms:
`http` (manners, no domain), `access` (who may call), `devices` (the registry), `audiences` (for whom campaigns are),
`campaigns`, `results` (what became of them), `system`. Each has its own reading order.
"""
