"""The aggregator: result events become an exact ledger.

In: `push.result.v1` from `aggregator.results`. Out: events through the outbox. Owns: letters, counters, completion,
the deactivation of dead targets. Promises: a window is committed before it is acked; a result that comes twice, late
or out of order changes nothing that it should not; a poison result goes to `dead` and the others flow on. Any number
of replicas. Reading order: `app`, `consumer`, `merging`, `store`.
"""
