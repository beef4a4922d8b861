#!/bin/sh
# firebase-admin 7.7.0 for Python repeats differently in `send_each` and in `send_each_async`.
#
# Expected: both take the same messages and give the same answers; the second only does not block. FCM's guide asks
#   clients to wait for Retry-After, and to repeat a 429 after it.
# Seen, with one message and a server that answers 200 from the second request on:
# - A 503 with Retry-After is repeated by both: after the time that was asked for by `send_each`, at once by
#   `send_each_async`, which so comes back in a crowd while FCM asks for quiet.
# - A 429 with Retry-After is repeated by `send_each` after that time, and told as a failure by `send_each_async`.
# - A connection that is cut after the request was read: `send_each` sends the message again, though it may have been
#   delivered, and the device may show it twice; `send_each_async` tells a failure.
. "$(dirname "$0")/lib/finding.sh"

with_python firebase-admin==7.7.0 httpx==0.28.1 requests==2.34.2 urllib3==2.8.0
python <<'PYTHON'
import asyncio
import http.server
import threading
import time

import firebase_admin
import google.auth.credentials
from firebase_admin import credentials, messaging


class AnyToken(google.auth.credentials.Credentials):
    valid = True

    def __init__(self):
        super().__init__()
        self.token = "made-up"

    def refresh(self, request): ...


class Credential(credentials.Base):
    def get_credential(self):
        return AnyToken()


class Fcm(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    requests = []
    first = None

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.requests.append(time.monotonic())
        status, headers = self.first if len(self.requests) == 1 else (200, {})
        if status is None:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": "38", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b'{"name": "projects/demo/messages/0:1"}')

    def log_message(self, *_): ...


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fcm)
threading.Thread(target=server.serve_forever, daemon=True).start()
app = firebase_admin.initialize_app(Credential(), {"projectId": "demo"})
# FCM's host is fixed in the library.
messaging._get_messaging_service(app)._fcm_url = f"http://127.0.0.1:{server.server_port}/"
messages = [messaging.Message(topic="news", data={"key": "value"})]
loop = asyncio.new_event_loop()
WAYS = {
    "send_each": lambda: messaging.send_each(messages),
    "send_each_async": lambda: loop.run_until_complete(messaging.send_each_async(messages)),
}
FIRST = {
    "503, Retry-After: 3": (503, {"retry-after": "3"}),
    "429, Retry-After: 3": (429, {"retry-after": "3"}),
    "connection cut": (None, {}),
}
for name, Fcm.first in FIRST.items():
    for way, send in WAYS.items():
        Fcm.requests.clear()
        answer = send().responses[0]
        told = "success" if answer.success else "failure"
        waits = [f"again after {round(at - Fcm.requests[0])} s" for at in Fcm.requests[1:]]
        print(f"{name:<20} {way:<16} {', '.join(['sent', *waits])}: {told}")
PYTHON
as_stated <<'SEEN'
503, Retry-After: 3  send_each        sent, again after 3 s: success
503, Retry-After: 3  send_each_async  sent, again after 0 s: success
429, Retry-After: 3  send_each        sent, again after 3 s: success
429, Retry-After: 3  send_each_async  sent: failure
connection cut       send_each        sent, again after 0 s: success
connection cut       send_each_async  sent: failure
SEEN
