#!/bin/sh
# FastAPI 0.165.0 leaves every null out of the examples that it publishes.
#
# Expected: an example in OpenAPI is the one that was written. In a PATCH by JSON Merge Patch (RFC 7396) null is the
#   word for "remove this", so the example of removing a campaign's picture is `{"image": null}`.
# Seen: the published example is `{}`, which changes nothing. It is so for a parameter's `openapi_examples`, for a
#   model's `examples` and for those of an answer, at any depth; other values stay.
. "$(dirname "$0")/lib/finding.sh"

with_python fastapi==0.165.0 starlette==1.10.0 pydantic==2.14.3
python <<'PYTHON'
from typing import Annotated

from fastapi import Body, FastAPI
from pydantic import BaseModel, ConfigDict

REMOVAL = {"image": None}


class Patch(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [REMOVAL, {"android": {"channel": None, "tag": "news"}}]})
    image: str | None = None


app = FastAPI()


@app.patch("/campaigns/1", responses={200: {"content": {"application/json": {"example": REMOVAL}}}})
def change(patch: Annotated[Patch, Body(openapi_examples={"remove": {"value": REMOVAL}})]) -> dict: ...


document = app.openapi()
operation = document["paths"]["/campaigns/1"]["patch"]
print("written:      ", REMOVAL)
print("of the body:  ", operation["requestBody"]["content"]["application/json"]["examples"]["remove"])
print("of the answer:", operation["responses"]["200"]["content"]["application/json"]["example"])
print("of the model: ", document["components"]["schemas"]["Patch"]["examples"])
PYTHON
as_stated <<'SEEN'
written:       {'image': None}
of the body:   {'value': {}}
of the answer: {}
of the model:  [{}, {'android': {'tag': 'news'}}]
SEEN
