"""Rehearsals: bad days at FCM, each one campaign on a real stack: `./run rehearse [NAME...] [--json]`.

In: a `Day` (`days`): what the emulator does when, and what Carillon must make of it. Out: a `Played` with its faults;
none means that the ledger balances, the emulator's record agrees device by device, nobody got the message twice, and
exactly the expected events were heard on `push.events`. Times are short (`stage.TIMES`): what probes a project every
15 s to 4 min in production does so every quarter of a second to 4 s here, so that half a minute is half an hour.
Reading order: `day`, `days`, `playing`, `stage`.
"""
