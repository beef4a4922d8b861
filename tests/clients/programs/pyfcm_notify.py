"""An unmodified pyfcm, told only where FCM is: `python … URL SERVICE_ACCOUNT TOKEN…`, a JSON line out."""

import json
import sys

from pyfcm import FCMNotification
from pyfcm.errors import FCMError


def main(url: str, account: str, *tokens: str) -> None:
    """Notify one device after the other."""
    FCMNotification.FCM_END_POINT_BASE = f"{url}/v1/projects"
    client = FCMNotification(service_account_file=account, project_id="demo")
    said = []
    for token in tokens:
        try:
            said.append(client.notify(fcm_token=token, notification_title="종", notification_body="🔔")["name"])
        except FCMError as error:
            said.append(type(error).__name__)
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
