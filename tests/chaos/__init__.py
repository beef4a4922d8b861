"""Crash-exactness, tried: whatever dies, whenever, every device has one fate and the campaign ends by itself.

In: a seed. Out: a history of faults and a verdict, whose checks all hold or say in a sentence what is wrong.

`python -m tests.chaos --seed N --minutes M`: real processes and real faults. Reading order: `schedule` deals them,
`faults` do them on a `stage`, a `workload` keeps campaigns in the air, `playing` has it all happen before `witnesses`,
`checker` compares the books, `verdict` tells.
`python -m tests.chaos --only WORDS`: `alone`, one fault at a time and what it costs.
`--replica synchronous`: PostgreSQL has a standby, and it is promoted in the middle of all.
`python -m tests.chaos.report FILES`: docs/chaos.md, of many seeds.
`simulation`: the services' own code on a virtual clock, thousands of schedules in minutes.
"""
