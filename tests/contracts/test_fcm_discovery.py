"""The emulator's schema is FCM's, message by message: held against Google's own discovery document.

What is new there fails here first; then it belongs into the schema, and into the API or the list of what it leaves out.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

from services.fcm_emulator.form import read_form
from services.fcm_emulator.schema import MESSAGES, REQUEST, SEND, Choice, Kind, Many, Part, Plain
from services.sender.message import Template
from tests.contracts.full_message import FULL

# Topic subscriptions: campaigns go to devices, the emulator answers 501.
LEFT_OUT_METHODS = {f"fcm.projects.registrations.topicSubscriptions.{verb}" for verb in
                    ("create", "delete", "get", "list", "patch")}  # fmt: skip
LEFT_OUT_MESSAGES = {"Empty", "ListTopicSubscriptionsResponse", "TopicSubscription"}
FORMATS = {
    ("string", None): Plain.STRING,
    ("boolean", None): Plain.BOOLEAN,
    ("integer", "int32"): Plain.INT32,
    ("number", "float"): Plain.FLOAT,
    ("string", "google-duration"): Plain.DURATION,
    ("string", "google-datetime"): Plain.DATETIME,
}
# What FCM takes and a campaign does not send, with the reason.
UNSENT = {
    "SendMessageRequest": {"validateOnly"},  # a dry run sets it
    "Message": {
        "name",  # FCM's to give
        "topic", "condition",  # a campaign knows its devices
        "androidV2",  # a preview
    },
    "AndroidNotification": {"bypassProxyNotification"},  # deprecated; firebase-admin cannot send it
    "WebpushFcmOptions": {"analyticsLabel"},  # the message's own counts
}  # fmt: skip


def document() -> dict[str, Any]:
    """FCM HTTP v1, as Google describes it to machines."""
    text = files("googleapiclient.discovery_cache.documents").joinpath("fcm.v1.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found


def kind(field: dict[str, Any]) -> Kind:
    """Return the kind of a field; KeyError for one that the emulator does not know."""
    if "$ref" in field:
        return Part(field["$ref"])
    if "enum" in field:
        return Choice(frozenset(field["enum"]))
    match field["type"]:
        case "array":
            inner = kind(field["items"])
            assert isinstance(inner, Plain)
            return Many(inner)
        case "object":
            return {"string": Plain.STRINGS, "any": Plain.OBJECT}[field["additionalProperties"]["type"]]
        case _:
            return FORMATS[field["type"], field.get("format")]


def methods(resource: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All methods below a resource, by their id."""
    for method in resource.get("methods", {}).values():
        yield method["id"], method
    for inner in resource.get("resources", {}).values():
        yield from methods(inner)


def test_every_message_of_fcm_is_in_the_emulators_schema() -> None:
    """Names, kinds, enumerations and nesting, `Message` itself included."""
    theirs = {
        name: {field: kind(described) for field, described in schema.get("properties", {}).items()}
        for name, schema in document()["schemas"].items()
        if name not in LEFT_OUT_MESSAGES
    }
    assert theirs == MESSAGES


def test_every_method_of_fcm_is_emulated_or_left_out_knowingly() -> None:
    """One to send; its path, its request and its answer."""
    theirs = dict(methods(document()))
    assert set(theirs) == LEFT_OUT_METHODS | {"fcm.projects.messages.send"}
    send = theirs["fcm.projects.messages.send"]
    assert (send["httpMethod"], send["flatPath"].replace("{projectsId}", "{project}")) == SEND
    assert (send["request"]["$ref"], send["response"]["$ref"]) == (REQUEST, "Message")


def test_a_campaign_can_say_all_that_fcm_takes_but_what_is_listed() -> None:
    """By a message in which everything is set that a caller may set: every message, field by field."""
    now = datetime(2026, 11, 22, tzinfo=UTC)
    template = Template(FULL, 7).for_batch(now=now, deadline=now + timedelta(hours=1))
    said: defaultdict[str, set[str]] = defaultdict(set)

    def note(value: dict[str, Any], message: str) -> None:
        for name, inner in MESSAGES[message].items():
            if name in value:
                said[message].add(name)
                if isinstance(inner, Part):
                    note(value[name], inner.message)

    for target in ("token", "fid"):
        request, violations = read_form(json.loads(template.body((target, "x"))), REQUEST)
        assert violations == []
        note(request, REQUEST)
    unsaid = {name: set(MESSAGES[name]) - fields for name, fields in said.items()}
    assert {name: fields for name, fields in unsaid.items() if fields} == UNSENT


def test_messages_that_are_left_out_belong_to_methods_that_are() -> None:
    """None of them is part of a request to send."""
    whole = document()
    assert set(whole["schemas"]) >= LEFT_OUT_MESSAGES

    def parts(name: str) -> set[str]:
        nested = (inner.message for inner in MESSAGES[name].values() if isinstance(inner, Part))
        return {name}.union(*(parts(each) for each in nested))

    assert parts(REQUEST) == set(MESSAGES)
