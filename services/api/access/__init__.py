"""Access: who may call, how often, and what is recorded of it.

In: every request below `/v1`. Out: the principal that routes ask their role of, the audit log, answers kept for
repeated requests. Owns: `api_key`, `audit_log`, `idempotency`. Promises: a revoked key is refused within a second by
every process and at once by the one that revoked it; every change is in the audit log; a POST with an
`Idempotency-Key` takes effect once, whatever crashes. Reading order: `gate` (authenticate, limit), `keys`, `limits`,
`changes` (idempotency and audit around a handler), `idempotency`, `audit`, then the routers `key_routes` and
`audit_routes`.
"""
