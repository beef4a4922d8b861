"""What operators do to campaigns beyond creating, sending and ending them.

Out: the ledger's transitions (`shared.ledger.steering`, `shared.ledger.campaigns`), each with its event, its command
and its entry in the audit log in one transaction. Owns: edits of drafts, schedules, follow-ups, tests and dry runs,
forecasts, explanations, the stop of everything.

Promises: a campaign is changed as it was seen (ETag) or not at all; what a state does not allow is a 409 that names
the state and what is possible; a test and a dry run are campaigns of their own and go the whole way.

Reading order: `states` (what is possible when), `written` (a row as it was written), then a router each: `listing`,
`editing` (patch, delete, clone), `scheduling`, `trying` (test, dry run) with `sampling`, `following`, `forecast` with
`forecasting` (pure), `explain` with `facts` and `reasons` (pure), `stopping`; `store` has the queries.
"""
