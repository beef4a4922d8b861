"""An unmodified async-firebase over HTTP/2, told only where FCM is: `python … URL SERVICE_ACCOUNT TOKEN…`, JSON out."""

import asyncio
import json
import sys

from async_firebase import AsyncFirebaseClient, _credentials
from async_firebase.messages import Message, Notification


async def main(url: str, account: str, *tokens: str) -> None:
    """Send to all at once."""
    AsyncFirebaseClient.BASE_URL, _credentials.TOKEN_URL = url, f"{url}/token"
    async with AsyncFirebaseClient(use_http2=True) as client:
        client.creds_from_service_account_file(account)
        notification = Notification(title="종", body="🔔")
        batch = await client.send_each([Message(token=token, notification=notification) for token in tokens])
    said = [each.message_id or type(each.exception).__name__ for each in batch.responses]
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
