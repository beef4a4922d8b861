"""Google's side of the wire, for the demo, the tests and the rehearsals: FCM HTTP v1 over HTTP/2 (or 1.1) and TLS.

In: `POST /v1/projects/{project}/messages:send` with any bearer; `POST /token`, a signed assertion for an access token;
`/emulator/…`, the control routes (listed in `control`). Out: FCM's answers, error bodies and silences.

Owns: a record of every request in memory, by project, label (the message's tag, which tells campaigns apart) and
token; a certificate and service-account files in its folder. It imports nothing of ours and no service imports it.

Promises:
- An answer is a function of seed, shares, token and how often the token came: the same run, the same fates.
- A fate is recorded before its answer is delayed or dropped: what the record calls accepted was delivered.
- A request whose client left before it was whole was not sent; nor was one that RFC 9113 calls malformed.
- A body is judged as FCM would, as far as the fields of its discovery document and their kinds, targets, sizes and
  reserved keys go; real clients work unmodified.
- What FCM has and the emulator has not is said so: topics, conditions and topic subscriptions are a 501.
- It is never the brake: about 10 microseconds of CPU a message, TLS and recording included, as much as nghttpd.

Reading order: `answers` (what FCM says), `script` (who hears what), `message` (reading a body, with `form` and
`schema`), `record`, then `sending`, the hot path through all four; `state`, `exchange` (where routes and protocols
meet), `app`, `control` (routes); `server`, `connections`, `http2` (with `framing`, `headers`, `fields`, `streams`),
`http1`; `running` (for a stack).
"""

from services.fcm_emulator.client import EmulatorClient
from services.fcm_emulator.identity import make_certificate, write_service_account
from services.fcm_emulator.running import RunningEmulator, running_emulator

__all__ = ["EmulatorClient", "RunningEmulator", "make_certificate", "running_emulator", "write_service_account"]
