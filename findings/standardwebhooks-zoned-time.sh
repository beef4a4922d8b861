#!/bin/sh
# standardwebhooks 1.1.0 for Python signs another moment than it is given when the time is not in UTC.
#
# Expected: `Webhook.sign(id, timestamp, body)` takes a datetime; two aware datetimes of one moment are equal, so their
#   signatures are too, and the receiver, who verifies with the moment's Unix time, takes both.
# Seen: the wall clock is read as if it were UTC. A webhook that is signed with the same moment in Kolkata's time is
#   refused by the library's own `verify`. In a process whose times are in UTC, as in most tests, nothing shows.
. "$(dirname "$0")/lib/finding.sh"

with_python standardwebhooks==1.1.0 tzdata==2026.6
python <<'PYTHON'
import base64
import datetime
from zoneinfo import ZoneInfo

from standardwebhooks import Webhook, WebhookVerificationError

webhook = Webhook("whsec_" + base64.b64encode(bytes(24)).decode())
moment = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
for zone in ("UTC", "Asia/Kolkata"):
    local = moment.astimezone(ZoneInfo(zone))
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(local.timestamp())),
        "webhook-signature": webhook.sign("msg_1", local, "{}"),
    }
    try:
        webhook.verify("{}", headers)
        verified = "taken"
    except WebhookVerificationError as error:
        verified = f"refused: {error}"
    print(f"signed in {zone}, equal to the moment: {local == moment}, {verified}")
PYTHON
as_stated <<'SEEN'
signed in UTC, equal to the moment: True, taken
signed in Asia/Kolkata, equal to the moment: True, refused: No matching signature found
SEEN
