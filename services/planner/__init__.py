"""The planner: cuts an audience into batches and publishes them within a window; its timekeeper recovers lost work.

In: `campaign.plan.v1`, `campaign.close.v1` from `planner.commands`. Out: `push.batch.v1` to the lanes, results of what
it ends itself. Owns: cutting, the window, sweeps, due schedules. Promises: a step takes effect once, also when its
command is delivered twice; memory does not grow with the audience; campaigns take turns; any number of planners.
Reading order: `app`, `consumer`, `planning` (a step), `publishing`, `timekeeper`, `store` (their transactions).
"""
