"""The web application: its routers, its middleware and its OpenAPI."""

import re

from fastapi import FastAPI

from services.api.access import audit_routes, key_routes
from services.api.access.changes import Changes
from services.api.access.gate import Gate
from services.api.access.keys import Keys
from services.api.access.limits import Limits
from services.api.audiences import estimate_routes, list_routes, segment_routes, suppression_routes
from services.api.campaigns import (
    editing,
    explain_routes,
    follow_up,
    forecast_routes,
    listing,
    scheduling,
    stop_all,
    test_send,
)
from services.api.campaigns import routes as campaign_routes
from services.api.devices import bulk_routes, device_routes, user_routes
from services.api.devices.imports import routes as import_routes
from services.api.http.faults import install_faults
from services.api.http.head import Head
from services.api.http.middleware import BodyLimit, Surround
from services.api.http.openapi import openapi
from services.api.resources import Resources
from services.api.results import batches, events, export, failures, push_log
from services.api.system import dead_letter_routes, health, lane_routes, project_routes, worker_routes
from shared.version import VERSION

MAX_BODY = 4 * 1024 * 1024
"""Bytes: 10,000 user ids of the greatest length and a full payload fit."""
STREAMS = re.compile(r"/v1/(devices/bulk|imports/\d+/lines|lists|lists/\d+/users)")
"""Paths of bodies that are read as they come, of any length."""

ROOMS = (
    *(campaign_routes, listing, explain_routes, forecast_routes, editing, scheduling, test_send, follow_up, stop_all),
    *(batches, failures, push_log, export, events),
    *(bulk_routes, device_routes, user_routes, import_routes),
    *(estimate_routes, segment_routes, list_routes, suppression_routes),
    *(lane_routes, worker_routes, project_routes, dead_letter_routes),
    *(key_routes, audit_routes),
    health,
)
"""Every router, in the order in which OpenAPI tells them and paths are matched."""

DESCRIPTION = """
Carillon sends one push campaign to millions of devices through FCM, and can say afterwards, device by device, what
happened.

* Authenticate with `Authorization: Bearer <key>`: the operator key, or one of `POST /v1/keys` with a role of its own;
  `/health/*` and `/metrics` need none.
* Refusals are [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problems; `type` is stable, `detail` is for people.
* `X-Request-ID` is taken, or made, and given back; problems, logs, the audit log and messages carry it.
* `Idempotency-Key` on any POST: the same request is answered again, not done again, for 24 hours; another request with
  the same key is refused. Streamed bodies (NDJSON, CSV) are read through to be compared.
* `ETag` and `If-Match`: an update says which version it is of, and is refused when there is a newer one.
* `RateLimit` tells how many requests the key has left in this process; beyond is 429 with `Retry-After`.
* `HEAD` answers as `GET` would, without the body.
* Bodies of lines (devices, imports, lists) may be packed: `Content-Encoding: gzip`.
* Lists are paged by `cursor`, opaque, and end with `next_cursor: null`.
"""


def build(resources: Resources) -> FastAPI:
    """The application, with everything that its routes need."""
    app = FastAPI(title="Carillon", version=VERSION, description=DESCRIPTION, redoc_url=None, redirect_slashes=False)
    app.state.resources = resources
    for room in ROOMS:
        app.include_router(room.router)
    install_faults(app)
    app.add_middleware(Head)
    app.add_middleware(Changes, database=resources.database, streams=STREAMS)
    app.add_middleware(Gate, keys=resources.of(Keys), limits=resources.of(Limits))
    app.add_middleware(BodyLimit, limit=MAX_BODY, exempt=STREAMS)
    app.add_middleware(Surround)
    app.openapi = lambda: openapi(app)  # type: ignore[method-assign]  # the documented way to extend it
    return app
