#!/bin/sh
# FastAPI 0.165.0 (Starlette 1.10.0) answers 405 with an `Allow` that leaves out most of what is allowed.
#
# Expected: as RFC 9110 demands, `Allow` lists the methods that the resource takes: GET, POST and DELETE here.
# Seen: only those of the route that was declared first, as soon as each method is a function of its own, which is the
#   documented way. A client that believes the header thinks that it may only read; in another order of the same
#   declarations it is told that it may only delete.
. "$(dirname "$0")/lib/finding.sh"

with_python fastapi==0.165.0 starlette==1.10.0 httpx==0.28.1
python <<'PYTHON'
from fastapi import FastAPI
from fastapi.testclient import TestClient


def service(*methods):
    app = FastAPI()
    for method in methods:
        getattr(app, method)("/campaigns/1")(lambda: {})
    return app


for methods in (("get", "post", "delete"), ("delete", "get", "post")):
    answer = TestClient(service(*methods)).put("/campaigns/1")
    print("declared:", ", ".join(methods), "| PUT:", answer.status_code, "| Allow:", answer.headers["allow"])
PYTHON
as_stated <<'SEEN'
declared: get, post, delete | PUT: 405 | Allow: GET
declared: delete, get, post | PUT: 405 | Allow: DELETE
SEEN
