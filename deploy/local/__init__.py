"""The whole of Carillon on one machine, with nothing installed beforehand but RabbitMQ or Docker.

In: options from the command line, `CARILLON_*` from the environment. Out: a running stack (PostgreSQL,
RabbitMQ, the FCM emulator, api, planner, senders, aggregator), its addresses, its logs, and the demo's
verdict.
Owns: its data folder and every process that it starts, none else.
Promises: whatever ends this process, what it started ends too; two stacks never share a port, a folder or a
node; all listen on loopback only.

Reading order: `stack` (what is started, in which order, and stopped), `process` and `guardian` (how one is
held), `postgres`, `broker` with `rabbitmq` and `docker` (the servers), then `demo`, `audit` and `up` (what
is done with them).
"""
