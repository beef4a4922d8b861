#!/bin/sh
# Three cron libraries for Python fire differently on the days when clocks change; one leaves out a day.
#
# Expected: a line with a fixed hour and minute fires once on every day (cron's own manual says so of changes of up to
#   three hours), with the same times from each library that takes a time zone.
# Seen, with croniter 7.0.0, cronsim 2.8 and APScheduler 3.11.3:
# - In the hour that comes twice croniter and APScheduler fire twice, cronsim once: a daily push goes out twice.
# - In the hour that does not exist croniter and cronsim say 03:00; APScheduler says 02:30 with the offset of winter, a
#   local time that no clock shows (it is 03:30).
# - Where midnight is skipped (Chile, 2026-09-06) APScheduler leaves the whole day out; the others say 01:00.
. "$(dirname "$0")/lib/finding.sh"

with_python croniter==7.0.0 cronsim==2.8 apscheduler==3.11.3 tzdata==2026.6
python <<'PYTHON'
import datetime
import zoneinfo

zoneinfo.reset_tzpath(to=())  # the pinned database, not the machine's

from apscheduler.triggers.cron import CronTrigger
from croniter import croniter
from cronsim import CronSim


def apscheduler(line, start):
    trigger, last, now = CronTrigger.from_crontab(line, timezone=start.tzinfo), None, start
    while True:
        last = now = trigger.get_next_fire_time(last, now)
        yield last


LIBRARIES = {
    "croniter": lambda line, start: croniter(line, start, ret_type=datetime.datetime),
    "cronsim": CronSim,
    "APScheduler": apscheduler,
}
CASES = (
    ("02:30 comes twice on the 25th", "30 2 * * *", "Europe/Berlin", (2026, 10, 24, 12)),
    ("02:30 does not exist on the 29th", "30 2 * * *", "Europe/Berlin", (2026, 3, 28, 12)),
    ("00:00 does not exist on the 6th", "0 0 * * *", "America/Santiago", (2026, 9, 5, 12)),
)
for case, line, zone, start in CASES:
    print(case)
    for name, library in LIBRARIES.items():
        times = library(line, datetime.datetime(*start, tzinfo=zoneinfo.ZoneInfo(zone)))
        print(f"  {name:<12}", ", ".join(next(times).strftime("%d %H:%M %z") for _ in range(2)))
PYTHON
as_stated <<'SEEN'
02:30 comes twice on the 25th
  croniter     25 02:30 +0200, 25 02:30 +0100
  cronsim      25 02:30 +0200, 26 02:30 +0100
  APScheduler  25 02:30 +0200, 25 02:30 +0100
02:30 does not exist on the 29th
  croniter     29 03:00 +0200, 30 02:30 +0200
  cronsim      29 03:00 +0200, 30 02:30 +0200
  APScheduler  29 02:30 +0100, 30 02:30 +0200
00:00 does not exist on the 6th
  croniter     06 01:00 -0300, 07 00:00 -0300
  cronsim      06 01:00 -0300, 07 00:00 -0300
  APScheduler  07 00:00 -0300, 08 00:00 -0300
SEEN
