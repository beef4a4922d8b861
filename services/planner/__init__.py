"""The planner: an audience becomes batches, published within a window; its timekeeper brings back what was lost.

In: `campaign.plan.v1`, `campaign.close.v1` from `planner.commands`. Out: `push.batch.v1` to the lanes, results of
what it ends itself. Owns: cutting, the window, sweeps, due schedules. Promises: a step runs once whatever comes twice;
memory does not grow with the audience; campaigns take turns; any number of planners. Reading order: `app`,
`consumer`, `planning` (a step), `publishing`, `timekeeper`, `store` (their transactions).
"""
