"""The simulation: the services' own code on a virtual clock, with a crash possible at every call that leaves a process.

In: a seed. Out: an `Outcome`: what broke, what was done, and, if asked, every line of what happened.
Real: consumers, planning, sending, merging, timekeeper, relays, worker pools, publishers, the ledger's transitions.
In memory: the event loop's time, broker, FCM, PostgreSQL's statements.
Promises: one seed, one schedule, line by line; nothing is real time, no socket is opened, nothing is left behind.

| | |
|---|---|
| `loop`, `process` | virtual time; processes that die at once, stop and go on |
| `weather`, `boundary` | what may go wrong, and where: before and after the effect of each call |
| `condition` | PostgreSQL in another state for a while: refusing, read-only, losing commits |
| `broker`, `fcm`, `gateway`, `outbox`, `ledger` | the world in memory |
| `services`, `fleet` | the processes, built as their `app` builds them, life after life |
| `plan`, `operator`, `disturbances` | what a seed means: campaigns, moves, storms, wiped queues, restarts |
| `schedule`, `checks` | a whole schedule, and the books compared |

`python -m tests.chaos.simulation --help`.
"""
