"""The web application: routers, what surrounds them, and its OpenAPI."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from services.api import campaigns, devices, system
from services.api.faults import install_faults
from services.api.middleware import BodyLimit, Surround
from services.api.problems import Problem
from services.api.resources import Resources

MAX_BODY = 4 * 1024 * 1024
"""Bytes: 10,000 user ids of the greatest length and a full payload fit."""

DESCRIPTION = """
Carillon sends one push campaign to millions of devices through FCM, and can say afterwards, device by device, what
happened.

* Authenticate with `Authorization: Bearer <operator key>`; `/health/*` and `/metrics` need none.
* Refusals are [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problems; `type` is stable, `detail` is for people.
* `X-Request-ID` is taken, or made, and given back; problems and logs carry it.
* Lists are paged by `cursor`, opaque, and end with `next_cursor: null`.
"""


def build(resources: Resources) -> FastAPI:
    """The application, with everything that its routes need."""
    app = FastAPI(title="Carillon", version="1", description=DESCRIPTION, redoc_url=None, redirect_slashes=False)
    app.state.resources = resources
    app.include_router(campaigns.router)
    app.include_router(devices.router)
    app.include_router(system.router)
    install_faults(app)
    app.add_middleware(BodyLimit, limit=MAX_BODY, exempt=frozenset({devices.BULK}))
    app.add_middleware(Surround)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # the documented way to extend it
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schema["components"]["schemas"] |= {**problem.pop("$defs"), "Problem": problem}
        app.openapi_schema = schema
    return app.openapi_schema
