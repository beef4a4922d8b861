"""Campaigns: create, read, change, send, pause, resume, cancel, schedule, test, forecast, explain, follow up, stop all.

Out: the ledger's transitions (`shared.ledger.steering`, `shared.ledger.campaigns`), each with its event, its command
and its entry in the audit log in one transaction. Owns: a campaign's creation, edits of drafts, schedules, follow-ups,
tests and dry runs, forecasts, explanations, the stop of everything.

Promises: a campaign is changed as it was seen (ETag) or not at all; what a state does not allow is a 409 that names
the state and what is possible; a test and a dry run are campaigns of their own and go the whole way.

Reading order: `schemas` and `progress` (what travels), `routes` (create, read, send, pause, resume, cancel), `states`
(what is possible when), `copying` (a row as it was written), then a router each: `listing`, `editing` (patch, delete,
clone), `scheduling`, `test_send` (test, dry run) with `sampling`, `follow_up`, `forecast_routes` with `forecast`
(pure), `explain_routes` with `explain_facts` and `explain_reasons` (pure), `stop_all`; `queries` reads campaigns,
`store` holds the statements of their changes.
"""
