"""Every field that we can put on the wire is one of FCM's: held against Google's own discovery document."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

from services.sender.message import BatchTemplate, Template
from shared.contracts.content import PushContent
from shared.contracts.platforms import Android, Apns, Shape, Webpush
from tests.contracts.full_message import FULL

Schemas = dict[str, Any]


def schemas() -> Schemas:
    """The shapes of FCM HTTP v1."""
    document = files("googleapiclient.discovery_cache.documents").joinpath("fcm.v1.json").read_text()
    found: Schemas = json.loads(document)["schemas"]
    return found


def camel(name: str) -> str:
    """A field's name as the document writes it; FCM reads both forms."""
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def unknown(value: Any, schema: dict[str, Any], known: Schemas, path: str) -> Iterator[str]:
    """Paths in `value` that a schema has no field for, or whose form or enumeration does not fit."""
    schema = known[schema["$ref"]] if "$ref" in schema else schema
    match schema["type"]:
        case "object" if "properties" in schema:
            for name, item in value.items():
                field = schema["properties"].get(camel(name))
                if field is None:
                    yield f"{path}.{name}"
                else:
                    yield from unknown(item, field, known, f"{path}.{name}")
        case "object" if schema["additionalProperties"]["type"] == "string":
            yield from (f"{path}.{name}" for name, item in value.items() if not isinstance(item, str))
        case "array":
            for item in value:
                yield from unknown(item, schema["items"], known, f"{path}[]")
        case "string":
            if not isinstance(value, str) or value.upper() not in schema.get("enum", [value.upper()]):
                yield f"{path} = {value!r}"
        case "boolean" if not isinstance(value, bool):
            yield f"{path} = {value!r}"


def declared(shape: type[Shape]) -> set[str]:
    """The names a shape puts on the wire."""
    return {camel(info.alias or name) for name, info in shape.model_fields.items()}


def test_a_full_message_has_only_fields_that_fcm_knows() -> None:
    """Each name, nesting, type and enumeration of a message in which everything is set."""
    now = datetime(2026, 11, 22, tzinfo=UTC)
    template = Template(FULL, 7).for_batch(now=now, deadline=now + timedelta(hours=1))
    known = schemas()
    for kind in ("token", "fid"):
        request = json.loads(template.body((kind, "x")))
        assert list(unknown(request, {"$ref": "SendMessageRequest"}, known, "")) == []


def test_the_full_message_sets_every_field_that_a_caller_may_set() -> None:
    """So that the test above covers all of them."""

    def unset(shape: Shape, path: str) -> Iterator[str]:
        for name in type(shape).model_fields:
            value = getattr(shape, name)
            if value is None or value == {}:
                yield f"{path}.{name}"
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, Shape):
                    yield from unset(item, f"{path}.{name}")

    assert list(unset(FULL, "")) == []


def test_no_platform_field_of_fcm_is_forgotten() -> None:
    """What FCM takes and we do not is listed here, with the reason."""
    known = schemas()
    ours = {
        "AndroidConfig": declared(Android) | {"ttl"},  # the campaign's deadline decides
        "ApnsConfig": declared(Apns),
        "WebpushConfig": declared(Webpush),
        "AndroidNotification": declared(Android.model_fields["notification"].annotation.__args__[0])  # type: ignore[union-attr]
        | {"bypassProxyNotification"},  # firebase-admin cannot send it
    }
    for name, fields in ours.items():
        assert fields == set(known[name]["properties"]), name


def test_bodies_are_small_enough_in_bytes() -> None:
    """The encoder writes Korean as UTF-8, not as escapes of twice the size."""
    body = BatchTemplate({"notification": {"title": "가" * 100}}).body(("token", "x"))
    assert len(body) < 400


def test_the_full_message_fits() -> None:
    """It is a message that FCM would take."""
    assert isinstance(FULL, PushContent)
    assert FULL.payload_size() <= 4096
