"""What runs and how it is: lanes, workers, projects, dead letters, health.

In: `/v1/lanes`, `/v1/workers`, `/v1/projects`, `/v1/dead-letters`, `/health/*`. Out: queues looked at with passive
declarations and `basic.get`, so that no management plugin is needed; projects' rows. Owns: a project's creation and
rate, and what becomes of dead letters. Promises: looking loses nothing; a replayed letter is confirmed in its queue
before it leaves `dead`. Reading order: `health`, `broker_view`, `lane_routes`, `worker_routes`, `project_routes`, then
`dead_letters` (what one is), `dead_letter_desk` (the broker's side), `dead_letter_routes`.
"""
